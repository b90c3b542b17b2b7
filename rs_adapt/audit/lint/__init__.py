"""Rules about configurations, data and runs that make a score mean something other than its label."""

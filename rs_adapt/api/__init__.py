"""What `import rs_adapt` offers: the functions behind the verbs of the command line."""

"""Methods that classify scenes by the names of classes: one file a method; `contract` is what they share."""

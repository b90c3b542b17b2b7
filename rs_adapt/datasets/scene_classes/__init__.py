"""Images with one class each: folders of a class, lists of splits, few-shot draws, and the data set that reads them."""

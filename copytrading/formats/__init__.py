"""How times read: a folder for each language, as Django's FORMAT_MODULE_PATH wants it."""

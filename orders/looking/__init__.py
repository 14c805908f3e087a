"""What is shown to whoever may look: from the book while it has it, from the record for what was."""

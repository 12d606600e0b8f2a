"""What a musician would say about notes.  Nothing here is needed to train."""

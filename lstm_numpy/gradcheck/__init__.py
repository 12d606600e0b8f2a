"""Is every gradient right?  `python -m lstm_numpy.gradcheck` compares each with what the loss really does."""

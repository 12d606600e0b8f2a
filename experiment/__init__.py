"""One training run: its folder, its log, its pictures.  Knows the network and the music; neither knows it."""

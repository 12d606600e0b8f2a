"""What every command needs: flags, one line for each error, signals.  Light to import."""

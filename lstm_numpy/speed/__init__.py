"""What makes it fast: memory, threads, products.  Nothing here is needed to understand the network."""

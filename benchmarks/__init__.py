"""Speed, memory and accuracy, measured: scripts and the tables they print."""

"""What is asked of a chain beyond its distribution: first passage, rewards, thermodynamics."""

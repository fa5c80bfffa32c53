"""What evaluations compute: pure functions of what the stages before have written."""

"""Pages of grading: labs, submissions, marking, gradebook, releases."""

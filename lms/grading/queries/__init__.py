"""What is read of grading: labs, submissions, the queue, counting grades, the gradebook."""

"""What changes in grading: releases, submissions, grading runs, marks and grades."""

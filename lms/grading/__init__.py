"""Labs: releases, submissions, grading runs, grades and the gradebook."""

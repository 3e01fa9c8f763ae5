"""Courses, lessons, cohorts, enrolments and progress."""

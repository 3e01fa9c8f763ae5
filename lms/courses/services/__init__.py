"""What changes in courses: publishing, approving, cohorts, enrolments, reading."""

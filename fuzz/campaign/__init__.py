"""Running a campaign: slots, retries, the archive on disk."""

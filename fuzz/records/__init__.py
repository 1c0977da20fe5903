"""What a campaign writes down: findings, counts, yields by target, summaries; plain values with a JSON form."""

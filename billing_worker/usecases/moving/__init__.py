"""Moving in: the customers whom PortOne's schedules charge today become subscriptions here, and none pays twice."""

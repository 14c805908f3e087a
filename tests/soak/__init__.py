"""The whole stack under mixed load with a fault every few seconds: nothing acknowledged is lost, nothing done twice."""

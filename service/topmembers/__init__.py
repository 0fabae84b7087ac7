"""The members who carry the community: why, a question for each, and whether they answered."""

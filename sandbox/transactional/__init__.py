"""The Transactional API (`/api/1.x`, once called Mandrill), one file per topic."""

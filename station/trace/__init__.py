"""What QA asks of the records: search, recall, exports, figures."""

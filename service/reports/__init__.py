"""The sponsor's report of a quarter, month or range: one page, a PDF, a workbook, all from the same blocks."""

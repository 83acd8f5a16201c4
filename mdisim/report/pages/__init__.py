"""Reports: one HTML file that stands alone, of a run, a comparison or a sweep; they need the extra `plot`."""

from mdisim.report.pages.writing import PageError, page, save_page

__all__ = ["PageError", "page", "save_page"]

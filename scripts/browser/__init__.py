"""The station's pages in a browser: what `make browse` adds to Datasette, a line a module.

hooks      the addresses of our own pages, links in Datasette's tables, what a page may load
front      the corpus at a glance, a month's pages, the list of pages to check
search     every row that holds these words
sheet      one page: its scan, and its transcription by block and row
editing    with a reviewer alone: a page to be corrected, and the one POST that saves it
desk       what that page has: its rows, and beside each what others read
place      where a row lies on the scan
table      Datasette's CSV, none of its cells a formula
bounds     what one request may cost
served     the index: whether it is whole, and still the same file

templates/ and static/ are what they show; metadata.yaml describes the tables to Datasette.
"""

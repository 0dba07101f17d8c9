"""Sample scans, drawn: two PDFs of filled-in sheets, and the truth of every page.

pages/        what is written on each sheet, a TOML file a page; the source of all the rest
scans/        the drawn PDFs
truth/        what a perfect reader would answer, a JSON a page

draw.py       pages/ -> scans/ and truth/; how to run it, and the fonts that it needs
contents.py   a page's TOML file as data
answer.py     that data -> the page's truth
form.py       the printed form: its geometry and its print
hands.py      handwriting: a font made uneven
pen.py        strokes: circles, arrows, braces, scribbles
sheet.py      a form filled in
paper.py      what copying and scanning do to it
"""

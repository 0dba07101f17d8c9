"""What the steps share, one noun a module.

page       the shape of a page: what the model fills, and the result on disk
scan       a PDF's pages as upright images
request    one page's request, the same in real time and in a batch
response   one response: the page in it, or the reason why there is none
jobs       jobs.db: the state machine, drawn
usage      what was paid for, a row an answer
doubts     pages that contradict their PDF's name, noted as they are read
prices     tokens to dollars; the only importer of genai-prices
estimate   what pages will cost, before
parts      pages to batches, within the limits
building   pages to a batch's folder
caching    the prompt, kept at the API
manifest   a batch's folder: manifest, requests, journal
operation  the API's word on a batch
comparison the same pages both ways, side by side
submission from a built folder to a batch at the API, once
settlement from responses to pages
restoration a batch's folder that was lost, from jobs.db
recovery   what a killed command left behind, put right
dates      days in a PDF's name and on a page, and whether both can be right
ink        the form on a scan: where its rows lie, and which carry writing
rows       one result as rows of flowsheets.db
standing   where each page stands, as columns of flowsheets.db
tables     flowsheets.db: its tables and views, and how it is opened
index      flowsheets.db brought up to date
cells      a CSV's cells, none of them a formula
reviews    which pages a person should look at first, and why
gemini     the Gemini API, call by call
api        the SDK's client, and its errors as ours
paths      every path, and how a file appears whole
settings   the environment and .env, checked
lock       one at a time
errors     one clear line for a person
"""

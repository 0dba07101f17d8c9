"""What the steps share, by story; a room imports only from rooms above it in this list.

errors     one clear line for a person
settings   the environment and .env, checked
lock       one at a time
paths      PageId, and every path
files      how a file appears: whole
display    what is fit to be shown

page/      one page
  schema     its shape: what the model fills, and the result on disk
  pdf        a PDF file: its pages, and whether it is whole
  content    what a page draws: its images, where they lie, and whether there is anything else
  ccitt      bitmaps in CCITT G4, and whether all of one was understood
  fax_rows   other CCITT bitmaps, and whether all their rows are there
  bitmap     one image of a page, bit for bit, or why it cannot be trusted
  renderer   a page drawn as a viewer shows it
  scan       a PDF's pages as upright images, each in the way that fits it
  form       the printed form on a scan: where its rows lie, and which carry writing
  dates      days in a PDF's name and on a page, and whether both can be right
  request    its request (with prompt.md), the same in real time and in a batch
  response   the API's response: the page in it, or the reason why there is none

gemini/    the Gemini API
  client     the SDK's client, and its errors as ours
  calls      the API, call by call
  operation  the status of a batch, from the API's long-running operation

money/     tokens and dollars
  prices     tokens to dollars; the only importer of genai-prices
  usage      what was billed, a row a response
  estimate   what pages will cost

jobs/      jobs.db
  database   opened, its tables, its transactions
  states     the page's state machine, drawn; all SQL on the table jobs
  pdfs       the PDFs that discover has seen, and from which of them each page was drawn
  date_checks  pages whose date contradicts their PDF's name

batch/     a batch, from pages to results
  folder     its folder: manifest, requests, journal; the batch's state machine, drawn
  build      pages to a folder, within the limits
  prompt_cache  the prompt, kept at the API
  budget     MAX_USD
  submit     from a folder to a batch at the API, once
  results    from responses to pages
  recover    what a killed command left behind
  restore    a folder that was lost, from jobs.db
  compare    the same pages in both modes, side by side

index/     flowsheets.db
  tables     its tables and views, and how it is opened
  from_results  one result as rows
  from_jobs  the status of each page, as columns
  update     brought up to date
  reviews    which pages a person should look at first, and why
"""

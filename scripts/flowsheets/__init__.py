"""What the steps share, by story; a room imports only from rooms above it in this list.

errors     one clear line for a person
settings   the environment and .env, checked
lock       one at a time
paths      PageId, and every path
files      how a file appears: whole
display    texts and times as they are shown
clock      how long ago, also where somebody has set the clock
step       another step, as a process of its own, and what it ran into

page/      one page
  schema     its shape: what the model fills, and the result on disk
  pdf        a PDF file: its pages, and whether it is whole
  content    what a page draws: its images, where they lie, and whether there is anything else
  ccitt      bitmaps in CCITT G4, and whether all of one was understood
  fax_rows   other CCITT bitmaps, and whether all their rows are there
  bitmap     one image of a page, bit for bit, or why it cannot be trusted
  renderer   a page drawn as a viewer shows it
  scan       a PDF's pages as upright images, each in the way that fits it
  form       the printed form: where it lies on a sheet, and which rows carry writing
  dates      days in a PDF's name and on a page, and whether both can be right
  request    its request (with prompt.md), the same in real time and in a batch
  encoding   its image as a request carries it: PNG, or lossless WebP
  prompts    which prompt read a page, and what today's asks for beyond it
  response   the API's response: the page in it, or the reason why there is none
  envelope   the objects in its text, whatever was written around them
  mend       small deviations from the shape, put right and named
  shapes     its file in every shape that the existing pipeline writes or accepts
  corrections  what a person changed on a page, row by row beside the model's
  verified   a page that a person verified: its two files, who and when

gemini/    the Gemini API
  problem    what the API refuses, by what you can do about it
  client     the SDK's client: its key, its address
  reply      what the API replies, as it came, or the problem
  transfer   files that are sent and loaded: whole, and compared
  calls      one page now, through the door that the settings name
  room       how much each door takes at once
  door       the doors, one small set of calls, and which one it is
  developer  the Developer API
  vertex     Vertex AI
  caches     prompt caches of the Developer API
  inputs     what a batch on Vertex AI puts into its bucket
  bucket     Cloud Storage, call by call
  output     what a job of Vertex AI has written
  rows       which request a row of the results belongs to
  real_time  one page now, the same through either door
  operation  the status of a batch, from the API's long-running operation

money/     tokens and dollars
  prices     tokens to dollars; the only importer of genai-prices
  usage      what was billed, a row a response
  estimate   what pages will cost
  storage    what prompt caches cost while they are kept

jobs/      jobs.db
  database   opened, its tables, its transactions
  states     the page's state machine, drawn; all SQL on the table jobs
  folders    what of the folders on disk this database has taken in
  buckets    buckets that output has come from
  beliefs    what the API had no room for, and how much is believed to fit
  alerts     what ALERT_CMD was given, so that it is given once
  pauses     pages that wait before they are sent again by themselves
  mended_answers  pages whose response was put right as it was read
  pdfs       the PDFs that discover has seen, and from which of them each page was drawn
  date_checks  pages whose date contradicts their PDF's name

accuracy/  how right a reading is
  words      what of a text is compared, strictly and leniently
  align      which row of one reading is which row of another
  score      counts of a page that add up, and the figures made of them
  disagreement  where two readings of one page disagree, and how much that is
  second_reading  a second reading on disk: what it was read from, and by whom
  intervals  how sure a figure is, and two readings of the same pages
  sample     pages drawn at random for people to type
  drafts     a page of truth to be filled in
  truth      what people typed, and which of it counts
  partial    some texts that a page must have
  readings   a folder of results, whatever read them
  sections   readings measured by the truth of one kind: every figure
  report     all that is said of one folder of readings
  table      the report as lines on a terminal
  html       the report as one HTML file (with report.html)
  cutouts    rows cut out of their scans
  comparison  two folders of readings, against the truth or each other
  agreement  how far two readings agree, where no truth is known

batch/     a batch, from pages to results
  folder     its folder: manifest, requests, journal; the batch's state machine, drawn
  build      pages to a folder, within the limits
  proof      the first batch in a bucket is one page
  prompt_cache  the prompt, kept at the API
  budget     MAX_USD
  submit     from a folder to a batch at the API, once
  fetch      from a batch that ended to its result file, whole
  results    from responses to pages
  images     whether a page still shows what was sent
  recover    jobs.db brought in line with the folders
  restore    a folder that was lost, from jobs.db
  plan       what a run does next: pure, and asked by the run and by the simulation
  situation  what is, for the planner
  trial      the first ten pages of a new model, prompt or setting
  outlook    pace, day of completion and dollars in all
  watch      what is worth an alert
  alarm      ALERT_CMD
  simulation a corpus on a simulated clock and API
  course     its world, and what came of the pages in it
  calendar   its course as a table and as a picture
  runs       how real-time runs asked for the responses that are kept
  aside      a batch whose responses change no job: for comparisons and second readings
  second     second readings in batches: which pages a reader was paid for, and what it read
  compare    the same pages in both modes, side by side
  letters    the settings of a comparison, by letter
  draw       the pages of a comparison
  comparison a comparison of settings: its folder, and one step further
  verdict    its table, and which setting is the cheapest that is as good

index/     flowsheets.db
  tables     its tables and views, and how it is opened
  texts      which file holds a page's text: its result, or what a person verified
  stamps     a file's size and time: whether it is the one that was read
  from_results  one text as rows
  artists    artist and track of a row, and by which rule
  doubts     what makes one page's text suspicious by itself
  from_jobs  the status of each page, as columns
  second     second readings held against the first
  update     brought up to date
  saves      a page that a person corrects: opened, and saved over nobody else's text
  progress   how far people have checked, and how often the model was wrong
  gains      which page on the list is worth a person's time first
  reviews    which pages a person should look at first, and why
"""

import sys

# sqlite-utils imports numpy where that is installed, 0.08 s of every command; only `accuracy` has a
# use for it. Nobody imports sqlite-utils before this package.
_numpy = sys.modules.setdefault("numpy", None)  # type: ignore[arg-type]
import sqlite_utils  # noqa: E402, F401

if _numpy is None:
    del sys.modules["numpy"]

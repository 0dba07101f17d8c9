"""The Gemini API on this machine, for trying the pipeline out without a key.

What answers a page is a reader on this machine; what surrounds it (files, batches, caches, errors)
follows replies recorded from Google. Start it with `python -m emulator --port 8089 --data DIR`.

    __main__.py     the command line, and the one line that says it is ready
    app.py          routes, log of calls                   controls.py     what is under /emulator/
    uploads.py      the resumable upload               files.py        the File API
    batches.py      create, get, list, cancel          operations.py   a batch on the wire
    batch.py        one batch on disk                  worker.py       from PENDING to its end
    results.py      the result file                    answers.py      one request -> one response
    generate.py     generateContent                    usage.py        its tokens, counted
    caches.py       cachedContents                     models.py       names of models
    schema.py       the accepted fields, one table     requests.py     bodies and input lines, read
    faults.py       what goes wrong on command         misshapen.py    answers out of shape
    connections.py  cut, or held open                  ledger.py       every page that was billed
    clock.py        time that can be moved             durable.py      files that survive a kill
    errors.py       Google's error bodies              bodies.py       JSON in, JSON out
    paging.py       pages of a listing                 quick.py        a reader for tests
    reader.py       the reader that reads              form.py         the printed form's grid

The Vertex door, with a bucket and tokens of its own:

    doors.py           key or bearer token         vertex.py          generateContent, places
    vertex_jobs.py     create, get, list, cancel   vertex_job.py      one job, and on the wire
    vertex_worker.py   from PENDING to its end     vertex_answers.py  a response as it is there
    importer.py        the input, taken in or not  vertex_output.py   the output in the bucket
    job_filter.py      the filter of a listing     vertex_faults.py   what goes wrong there
    buckets.py         objects, generations        storage.py         list, download, delete
    bucket_uploads.py  multipart and resumable     refusals.py        error bodies of this door
    oauth.py           tokens                      service_account.py a key file for them
    vertex_schema.py   fields that it accepts      foreign_bucket.py a bucket elsewhere
"""

"""A peer of the retrieval row: `retrieval.py rank_bm25|bm25s|lancedb FOLDER`. Answers each line, the seconds of a pass, with the median of its queries."""

import json
import pathlib
import statistics
import sys
import time

import numpy

HITS = 10
kind, folder = sys.argv[1], pathlib.Path(sys.argv[2])
lines = [json.loads(line) for line in (folder / "chunks.jsonl").open()]
queries = [json.loads(line) for line in (folder / "queries.jsonl").open()]
tenants = numpy.array([line["tenant"] for line in lines])
of_tenant = {tenant: numpy.flatnonzero(tenants == tenant) for tenant in sorted(set(tenants.tolist()))}


def rank_bm25():
    from rank_bm25 import BM25Okapi

    index = BM25Okapi([line["text"].split() for line in lines])
    ids = {tenant: numbers.tolist() for tenant, numbers in of_tenant.items()}

    def ask(query):
        scores = numpy.array(index.get_batch_scores(query["text"].split(), ids[query["tenant"]]))
        best = numpy.argpartition(scores, -HITS)[-HITS:]
        return of_tenant[query["tenant"]][best[numpy.argsort(-scores[best])]]

    return ask


def bm25s():
    import bm25s

    index = bm25s.BM25(backend="numba")
    index.index(bm25s.tokenize([line["text"] for line in lines], stopwords=None, show_progress=False), show_progress=False)
    index.activate_numba_scorer()
    masks = {tenant: (tenants == tenant).astype("float32") for tenant in of_tenant}

    def ask(query):
        tokens = bm25s.tokenize([query["text"]], stopwords=None, show_progress=False, return_ids=False)
        found = index.retrieve(tokens, k=HITS, weight_mask=masks[query["tenant"]], show_progress=False, n_threads=1)
        return found.documents[0]

    return ask


def lancedb():
    import lancedb

    rows = [{"id": number, **line} for number, line in enumerate(lines)]
    table = lancedb.connect(folder / "lancedb").create_table("chunks", rows, mode="overwrite")
    table.create_fts_index("text", use_tantivy=False)
    table.create_scalar_index("tenant")

    def ask(query):
        search = table.search(query_type="hybrid").vector(query["vector"]).text(query["text"])
        found = search.where(f"tenant = {query['tenant']}", prefilter=True).select(["id"]).limit(HITS).to_arrow()
        return found["id"].to_pylist()

    return ask


ask = {"rank_bm25": rank_bm25, "bm25s": bm25s, "lancedb": lancedb}[kind]()
ask(queries[0])
print("ready", flush=True)
for line in sys.stdin:
    times, wrong, started = [], 0, time.perf_counter()
    while time.perf_counter() - started < float(line):
        query = queries[len(times) % len(queries)]
        begun = time.perf_counter()
        hits = ask(query)
        times.append(time.perf_counter() - begun)
        wrong += len(hits) != HITS or any(tenants[hit] != query["tenant"] for hit in hits)
    print(json.dumps({"median": statistics.median(times), "wrong": wrong}), flush=True)

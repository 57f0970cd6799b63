"""The ingest row's peer: LangChain's loaders and splitter, and the same static embeddings. Each line of input is a folder; the answer is what a pass did."""

import json
import pathlib
import re
import sys
import time
import warnings

# Its own notice that others are to take it over.
warnings.simplefilter("ignore", DeprecationWarning)

from langchain_community.document_loaders import BSHTMLLoader, CSVLoader, Docx2txtLoader, JSONLoader, PyPDFLoader, TextLoader
from langchain_text_splitters import RecursiveCharacterTextSplitter
from model2vec import StaticModel

# Ours are of 512 tokens with 50 in common.
CHUNK_CHARACTERS = 2000
OVERLAP_CHARACTERS = 200

MARKER = re.compile(r"marker\d+")

LOADERS = {
    ".md": lambda file: TextLoader(file, encoding="utf-8"),
    ".txt": lambda file: TextLoader(file, encoding="utf-8"),
    ".html": lambda file: BSHTMLLoader(file, open_encoding="utf-8", bs_kwargs={"features": "lxml"}),
    ".csv": lambda file: CSVLoader(file),
    ".json": lambda file: JSONLoader(file, jq_schema=".[]", text_content=False),
    ".docx": Docx2txtLoader,
    ".pdf": PyPDFLoader,
}


def main():
    model = StaticModel.from_pretrained(sys.argv[1])
    splitter = RecursiveCharacterTextSplitter(chunk_size=CHUNK_CHARACTERS, chunk_overlap=OVERLAP_CHARACTERS)
    print("ready", flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        files = sorted(pathlib.Path(line.strip()).iterdir())
        loaded = [LOADERS[file.suffix](str(file)).load() for file in files]
        chunks = splitter.split_documents([page for pages in loaded for page in pages])
        vectors = model.encode([chunk.page_content for chunk in chunks])
        seconds = time.perf_counter() - begun
        # Each file has a word that no other has.
        found = {word for pages in loaded for page in pages for word in MARKER.findall(page.page_content)}
        print(json.dumps({"seconds": seconds, "found": len(found), "chunks": len(chunks), "vectors": len(vectors)}), flush=True)


main()

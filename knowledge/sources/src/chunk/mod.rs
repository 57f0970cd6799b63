//! Cuts an extracted text into chunks that are searched and quoted. The invariants: every character that is not white space is in a chunk; offsets are on character boundaries; no chunk is
//! over the limit unless it is one character; none reaches over a heading or a page. A heading that has nothing under it but a deeper heading goes with that one.

mod heading;

use std::ops::Range;

use text_splitter::{ChunkConfig, ChunkSizer, MarkdownSplitter};

use crate::extract::Extraction;
pub(crate) use heading::headings;

/// Sizes in tokens, as the caller counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkOptions {
    pub max_tokens: usize,
    /// How much of a chunk's end the next chunk of the same section starts with.
    pub overlap_tokens: usize,
}

impl Default for ChunkOptions {
    fn default() -> Self {
        Self { max_tokens: 512, overlap_tokens: 50 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Byte range in the text.
    pub start: usize,
    pub end: usize,
    /// The same in characters.
    pub start_char: usize,
    pub end_char: usize,
    /// The titles of the headings above it, outermost first.
    pub heading_path: Vec<String>,
    /// From 1, where the format has pages.
    pub page: Option<u32>,
}

/// What one pass of the splitter is given at most: its work grows faster than its input.
const WINDOW_BYTES: usize = 32 * 1024;

/// The chunks of a text, in its order.
pub fn chunk(extraction: &Extraction, options: &ChunkOptions, count_tokens: &dyn Fn(&str) -> usize) -> Vec<Chunk> {
    let text = extraction.text.as_str();
    let mut counter = CharCounter { text, byte: 0, chars: 0 };
    let mut chunks = Vec::new();
    for part in parts(text, &extraction.pages) {
        for range in split(text, part.range.clone(), options, count_tokens) {
            let start_char = counter.at(range.start);
            let end_char = start_char + text[range.clone()].chars().count();
            chunks.push(Chunk {
                start: range.start,
                end: range.end,
                start_char,
                end_char,
                heading_path: part.heading_path.clone(),
                page: page_of(&extraction.pages, range.start),
            });
        }
    }
    chunks
}

/// A stretch of text under one heading and on one page.
struct Part {
    range: Range<usize>,
    heading_path: Vec<String>,
}

fn parts(text: &str, pages: &[usize]) -> Vec<Part> {
    let headings = headings(text);
    let mut parts = Vec::new();
    let mut path: Vec<(u8, String)> = Vec::new();
    let titles = |path: &[(u8, String)]| path.iter().map(|(_, title)| title.clone()).filter(|title| !title.is_empty()).collect::<Vec<_>>();
    let mut from = 0;
    for (index, heading) in headings.iter().enumerate() {
        let bare_above = index > 0 && headings[index - 1].level < heading.level && text[headings[index - 1].end..heading.start].trim().is_empty();
        let same_page = page_of(pages, from) == page_of(pages, heading.start);
        if !(bare_above && same_page) {
            cut_at_pages(from..heading.start, pages, &titles(&path), &mut parts);
            from = heading.start;
        }
        path.retain(|(level, _)| *level < heading.level);
        path.push((heading.level, heading.title.clone()));
    }
    cut_at_pages(from..text.len(), pages, &titles(&path), &mut parts);
    parts
}

fn cut_at_pages(range: Range<usize>, pages: &[usize], path: &[String], parts: &mut Vec<Part>) {
    let mut from = range.start;
    let first = pages.partition_point(|&at| at <= range.start);
    let inside = pages[first..].iter().copied().take_while(|&at| at < range.end);
    for to in inside.chain([range.end]) {
        if to > from {
            parts.push(Part { range: from..to, heading_path: path.to_vec() });
            from = to;
        }
    }
}

fn page_of(pages: &[usize], at: usize) -> Option<u32> {
    if pages.is_empty() {
        return None;
    }
    u32::try_from(pages.partition_point(|&start| start <= at).max(1)).ok()
}

fn split(text: &str, range: Range<usize>, options: &ChunkOptions, count_tokens: &dyn Fn(&str) -> usize) -> Vec<Range<usize>> {
    let range = trimmed(text, range);
    if range.is_empty() {
        return Vec::new();
    }
    let max_tokens = options.max_tokens.max(1);
    if range.len() <= WINDOW_BYTES && count_tokens(&text[range.clone()]) <= max_tokens {
        return vec![range];
    }
    let plain = ChunkConfig::new(max_tokens).with_sizer(Sizer(count_tokens));
    let config =
        plain.with_overlap(options.overlap_tokens.min(max_tokens - 1)).unwrap_or_else(|_| ChunkConfig::new(max_tokens).with_sizer(Sizer(count_tokens)));
    let splitter = MarkdownSplitter::new(config);
    let mut ranges = Vec::new();
    let mut from = range.start;
    while from < range.end {
        let to = window_end(text, from, range.end);
        let found = splitter.chunk_indices(&text[from..to]).map(|(at, piece)| from + at..from + at + piece.len());
        complete(text, from..to, found, &mut ranges);
        from = to;
    }
    ranges
}

/// Puts what a splitter left out between its chunks into chunks of their own: nothing may be lost, whatever the splitter takes for markup.
fn complete(text: &str, whole: Range<usize>, found: impl Iterator<Item = Range<usize>>, ranges: &mut Vec<Range<usize>>) {
    let mut covered = whole.start;
    for range in found.filter(|range| !range.is_empty()) {
        let gap = trimmed(text, covered..range.start.max(covered));
        if !gap.is_empty() {
            ranges.push(gap);
        }
        covered = covered.max(range.end);
        ranges.push(range);
    }
    let gap = trimmed(text, covered..whole.end);
    if !gap.is_empty() {
        ranges.push(gap);
    }
}

/// Where a window that starts at `from` ends: at an empty line, else at a line's end, else between words, else between characters.
fn window_end(text: &str, from: usize, end: usize) -> usize {
    if end - from <= WINDOW_BYTES {
        return end;
    }
    let mut limit = from + WINDOW_BYTES;
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let window = &text[from..limit];
    let half = WINDOW_BYTES / 2;
    for (mark, skip) in [("\n\n", 2), ("\n", 1), (" ", 1)] {
        if let Some(at) = window.rfind(mark).filter(|at| *at > half) {
            return from + at + skip;
        }
    }
    limit
}

/// Without the white space around it.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let piece = &text[range.clone()];
    let end = range.start + piece.trim_end().len();
    if end == range.start {
        return range.start..range.start;
    }
    let blank = piece.len() - piece.trim_start().len();
    range.start + blank..end
}

struct Sizer<'a>(&'a dyn Fn(&str) -> usize);

impl ChunkSizer for Sizer<'_> {
    fn size(&self, chunk: &str) -> usize {
        (self.0)(chunk)
    }
}

/// Characters up to a byte, going on from where it was asked last.
struct CharCounter<'a> {
    text: &'a str,
    byte: usize,
    chars: usize,
}

impl CharCounter<'_> {
    fn at(&mut self, byte: usize) -> usize {
        if byte >= self.byte {
            self.chars += self.text[self.byte..byte].chars().count();
        } else {
            // Overlapping chunks start before the last one's end.
            self.chars -= self.text[byte..self.byte].chars().count();
        }
        self.byte = byte;
        self.chars
    }
}

#[cfg(test)]
mod tests;

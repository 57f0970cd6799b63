//! PowerPoint: each slide a page, its title a heading. Read here and not by `kreuzberg`, which puts a space between the runs of a word and takes slides in the order of their file names.

use std::{
    collections::HashMap,
    io::{Cursor, Read},
};

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use zip::ZipArchive;

use super::{
    ExtractError, ExtractLimits, Extraction,
    csv::{self, Header},
    decode, office, plain,
};
use crate::text::{one_line, push_text};

const KIND: &str = "PowerPoint file";
const MAX_PART_BYTES: u64 = 50 * 1024 * 1024;
const MAX_SLIDES: usize = 5_000;

type Parts<'a> = ZipArchive<Cursor<&'a [u8]>>;

pub(super) fn extract(bytes: &[u8], limits: &ExtractLimits) -> Result<Extraction, ExtractError> {
    let title = office::open(bytes, KIND, limits)?;
    let mut parts = ZipArchive::new(Cursor::new(bytes)).map_err(|_| ExtractError::damaged(KIND))?;
    let slides = slides(&mut parts);
    if slides.is_empty() {
        return Err(ExtractError::damaged(KIND));
    }
    let (mut text, mut pages) = (String::new(), Vec::new());
    for path in slides.iter().take(MAX_SLIDES) {
        pages.push(text.len());
        let Some(xml) = part(&mut parts, path) else { continue };
        text.push_str(&decode::clean(&Slide::read(&xml, false).markdown()));
        let notes =
            relations(&mut parts, path).into_iter().find(|(_, kind, _)| kind.ends_with("/notesSlide")).and_then(|(_, _, target)| part(&mut parts, &target));
        if let Some(notes) = notes {
            let notes = decode::clean(&Slide::read(&notes, true).markdown());
            if !notes.trim().is_empty() {
                text.push_str(&format!("Notes: {}\n\n", notes.trim()));
            }
        }
    }
    let end = text.trim_end().len();
    text.truncate(end);
    for start in &mut pages {
        *start = (*start).min(end);
    }
    let title = title.or_else(|| plain::first_heading(&text));
    Ok(Extraction { title, text, pages })
}

/// The slides' paths in the order of the presentation; without one, by their numbers.
fn slides(parts: &mut Parts<'_>) -> Vec<String> {
    const MAIN: &str = "ppt/presentation.xml";
    let targets: HashMap<String, String> =
        relations(parts, MAIN).into_iter().filter(|(_, kind, _)| kind.ends_with("/slide")).map(|(id, _, target)| (id, target)).collect();
    let mut ids = Vec::new();
    if let Some(xml) = part(parts, MAIN) {
        each_tag(&xml, |tag| {
            if tag.local_name().as_ref() == b"sldId" {
                ids.extend(
                    tag.attributes()
                        .flatten()
                        .find(|attribute| attribute.key.prefix().is_some() && attribute.key.local_name().as_ref() == b"id")
                        .and_then(|id| String::from_utf8(id.value.into_owned()).ok()),
                );
            }
        });
    }
    let ordered: Vec<String> = ids.iter().filter_map(|id| targets.get(id).cloned()).collect();
    if !ordered.is_empty() {
        return ordered;
    }
    let number = |name: &str| name.strip_prefix("ppt/slides/slide")?.strip_suffix(".xml")?.parse::<u32>().ok();
    let mut named: Vec<_> = parts.file_names().filter_map(|name| number(name).map(|number| (number, name.to_owned()))).collect();
    named.sort_unstable();
    named.into_iter().map(|(_, name)| name).collect()
}

/// A part's relations: id, type and the target's path in the package.
fn relations(parts: &mut Parts<'_>, of: &str) -> Vec<(String, String, String)> {
    let (folder, name) = of.rsplit_once('/').unwrap_or(("", of));
    let Some(xml) = part(parts, &format!("{folder}/_rels/{name}.rels")) else { return Vec::new() };
    let mut found = Vec::new();
    each_tag(&xml, |tag| {
        let attribute = |name: &str| tag.try_get_attribute(name).ok().flatten().and_then(|value| String::from_utf8(value.value.into_owned()).ok());
        if let (Some(id), Some(kind), Some(target)) = (attribute("Id"), attribute("Type"), attribute("Target")) {
            found.push((id, kind, resolve(folder, &target)));
        }
    });
    found
}

fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut path: Vec<&str> = folder.split('/').collect();
    for piece in target.split('/') {
        match piece {
            "." | "" => {}
            ".." => {
                path.pop();
            }
            piece => path.push(piece),
        }
    }
    path.join("/")
}

fn part(parts: &mut Parts<'_>, path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    parts.by_name(path).ok()?.take(MAX_PART_BYTES).read_to_end(&mut bytes).ok()?;
    decode::text(&bytes, None)
}

fn each_tag(xml: &str, mut see: impl FnMut(&BytesStart<'_>)) {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => see(&tag),
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// What one slide says, in the order of its file.
#[derive(Default)]
struct Slide {
    title: String,
    blocks: Vec<String>,
}

/// A shape under way.
#[derive(Default)]
struct Shape {
    placeholder: Option<String>,
    paragraphs: Vec<(usize, String)>,
}

impl Slide {
    fn read(xml: &str, is_notes: bool) -> Self {
        let (mut slide, mut shape) = (Self::default(), Shape::default());
        let (mut line, mut level, mut in_text) = (String::new(), 0, false);
        let (mut rows, mut cell): (Vec<Vec<String>>, Option<String>) = (Vec::new(), None);
        let mut reader = Reader::from_str(xml);
        while let Ok(event) = reader.read_event() {
            match &event {
                Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                    b"sp" => slide.take(std::mem::take(&mut shape), is_notes),
                    b"ph" => shape.placeholder = Some(attribute(tag, "type").unwrap_or_else(|| "body".to_owned())),
                    b"pPr" => level = attribute(tag, "lvl").and_then(|level| level.parse().ok()).unwrap_or(0).min(8),
                    b"t" => in_text = matches!(event, Event::Start(_)),
                    b"br" => line.push('\n'),
                    b"tab" => line.push(' '),
                    b"tbl" => rows.clear(),
                    b"tr" => rows.push(Vec::new()),
                    b"tc" => cell = Some(String::new()),
                    _ => {}
                },
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if in_text => push_text(&event, &mut line),
                Event::End(tag) => match tag.local_name().as_ref() {
                    b"t" => in_text = false,
                    b"p" if tag.name().prefix().is_some_and(|prefix| prefix.as_ref() == b"a") => {
                        let text = std::mem::take(&mut line);
                        match &mut cell {
                            Some(cell) => {
                                cell.push_str(&text);
                                cell.push(' ');
                            }
                            None => shape.paragraphs.push((level, text)),
                        }
                        level = 0;
                    }
                    b"tc" => {
                        let text = cell.take().unwrap_or_default();
                        if let Some(row) = rows.last_mut() {
                            row.push(text);
                        }
                    }
                    b"tbl" => slide.blocks.push(csv::table(&std::mem::take(&mut rows), Header::Guess)),
                    b"sp" => slide.take(std::mem::take(&mut shape), is_notes),
                    _ => {}
                },
                Event::Eof => break,
                _ => {}
            }
        }
        slide.take(shape, is_notes);
        slide
    }

    fn take(&mut self, shape: Shape, is_notes: bool) {
        let kind = shape.placeholder.as_deref();
        // Slide numbers, dates, footers; in notes all but the notes themselves, the slide's picture among them.
        if matches!(kind, Some("sldNum" | "dt" | "ftr" | "hdr")) || (is_notes && kind != Some("body")) {
            return;
        }
        let paragraphs: Vec<_> = shape.paragraphs.into_iter().filter(|(_, text)| !text.trim().is_empty()).collect();
        if paragraphs.is_empty() {
            return;
        }
        if matches!(kind, Some("title" | "ctrTitle")) && self.title.is_empty() {
            self.title = one_line(&paragraphs.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" "), 300);
            return;
        }
        let is_list = paragraphs.len() > 1 && (kind.is_some() || paragraphs.iter().any(|(level, _)| *level > 0));
        let lines = paragraphs.iter().map(|(level, text)| {
            let text = text.trim();
            if is_list { format!("{}- {}", "  ".repeat(*level), one_line(text, usize::MAX)) } else { text.to_owned() }
        });
        self.blocks.push(lines.collect::<Vec<_>>().join(if is_list { "\n" } else { "\n\n" }));
    }

    fn markdown(&self) -> String {
        let mut out = String::new();
        if !self.title.is_empty() {
            out.push_str(&format!("## {}\n\n", self.title));
        }
        for block in self.blocks.iter().map(|block| block.trim_end()).filter(|block| !block.is_empty()) {
            out.push_str(block);
            out.push_str("\n\n");
        }
        out
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    tag.try_get_attribute(name).ok().flatten().and_then(|value| String::from_utf8(value.value.into_owned()).ok())
}

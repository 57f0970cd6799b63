//! Documents of many kinds, made of the words of this repository's own pages. Each has a word that no other has.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::json;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::retrieval::words;

/// Of a hundred documents.
const KINDS: [(usize, &str); 7] = [(25, "md"), (45, "html"), (60, "txt"), (70, "csv"), (80, "json"), (90, "docx"), (100, "pdf")];
const SECTIONS: usize = 4;
const SENTENCES_A_PARAGRAPH: usize = 6;
const WORDS_A_SENTENCE: usize = 15;
const ROWS: usize = 30;
const PDF_LINE_CHARACTERS: usize = 90;
const PDF_PAGE_LINES: usize = 45;

/// What documents are made of.
pub struct Documents {
    words: Vec<String>,
    random: SmallRng,
    made: usize,
}

impl Documents {
    pub fn new(seed: u64) -> Self {
        Self { words: words(), random: SmallRng::seed_from_u64(seed), made: 0 }
    }

    /// Writes so many new documents into a folder; their bytes.
    pub fn write(&mut self, folder: &Path, count: usize) -> u64 {
        fs::create_dir_all(folder).unwrap();
        let mut bytes = 0;
        for number in 0..count {
            let (_, kind) = KINDS.iter().find(|(below, _)| number % 100 < *below).unwrap();
            let file = folder.join(format!("{number:04}.{kind}"));
            self.made += 1;
            fs::write(&file, self.document(kind)).unwrap();
            bytes += fs::metadata(&file).unwrap().len();
        }
        File::open(folder).unwrap().sync_all().unwrap();
        bytes
    }

    fn document(&mut self, kind: &str) -> Vec<u8> {
        match kind {
            "md" => self.sections(|title| format!("## {title}\n\n"), |text| format!("{text}\n\n")).into_bytes(),
            "html" => {
                let body = self.sections(|title| format!("<h2>{title}</h2>\n"), |text| format!("<p>{text}</p>\n"));
                format!("<!DOCTYPE html><html><head><title>A page</title></head><body><main>\n{body}</main></body></html>\n").into_bytes()
            }
            "csv" => {
                let rows: Vec<String> = (0..ROWS).map(|row| format!("{row},{},\"{}\"\n", self.word(), self.sentence())).collect();
                format!("number,name,what\n{}{},{},last\n", rows.concat(), ROWS, self.marker()).into_bytes()
            }
            "json" => {
                let mut rows: Vec<_> = (0..ROWS).map(|row| json!({ "number": row, "name": self.word(), "what": self.sentence() })).collect();
                rows.push(json!({ "number": ROWS, "name": self.marker(), "what": "last" }));
                serde_json::to_vec_pretty(&rows).unwrap()
            }
            "docx" => self.docx(),
            "pdf" => self.pdf(),
            _ => self.sections(|title| format!("{title}\n\n"), |text| format!("{text}\n\n")).into_bytes(),
        }
    }

    fn marker(&self) -> String {
        format!("marker{}", self.made)
    }

    fn word(&mut self) -> String {
        self.words.choose(&mut self.random).unwrap().clone()
    }

    fn sentence(&mut self) -> String {
        let words: Vec<String> = (0..WORDS_A_SENTENCE + self.random.random_range(0..5)).map(|_| self.word()).collect();
        words.join(" ") + "."
    }

    fn paragraph(&mut self) -> String {
        let sentences: Vec<String> = (0..SENTENCES_A_PARAGRAPH).map(|_| self.sentence()).collect();
        sentences.join(" ")
    }

    fn sections(&mut self, title: impl Fn(&str) -> String, paragraph: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        for section in 0..SECTIONS {
            text += &title(&format!("Part {section} of {}", self.word()));
            text += &paragraph(&self.paragraph());
            text += &paragraph(&self.paragraph());
        }
        text + &paragraph(&format!("This is {} here.", self.marker()))
    }

    fn docx(&mut self) -> Vec<u8> {
        let run = |text: &str| format!("<w:p><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>");
        let heading = |text: &str| format!("<w:p><w:pPr><w:pStyle w:val=\"Heading2\"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>");
        let body = self.sections(heading, run);
        let parts = [
            (
                "[Content_Types].xml",
                "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>".to_owned(),
            ),
            (
                "_rels/.rels",
                "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"word/document.xml\"/></Relationships>".to_owned(),
            ),
            (
                "word/document.xml",
                format!("<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>{body}</w:body></w:document>"),
            ),
        ];
        let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, text) in parts {
            archive.start_file(name, SimpleFileOptions::default()).unwrap();
            write!(archive, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n{text}").unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    /// Pages of lines in Helvetica, nothing compressed.
    fn pdf(&mut self) -> Vec<u8> {
        let text = self.sections(|title| format!("{title}\n"), |text| format!("{text}\n"));
        let lines: Vec<String> = text.lines().flat_map(lines).collect();
        let pages: Vec<String> = lines.chunks(PDF_PAGE_LINES).map(page).collect();
        let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
        let mut objects = vec![
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        ];
        for (number, content) in pages.iter().enumerate() {
            let contents = 5 + 2 * number;
            objects.push(format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents {contents} 0 R >>"));
            objects.push(format!("<< /Length {} >>\nstream\n{content}endstream", content.len()));
        }
        assembled(&objects)
    }
}

fn lines(paragraph: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in paragraph.split(' ').map(|word| word.chars().filter(|letter| letter.is_ascii() && !"()\\".contains(*letter)).collect::<String>()) {
        if lines[lines.len() - 1].len() + word.len() > PDF_LINE_CHARACTERS {
            lines.push(String::new());
        }
        let last = lines.len() - 1;
        lines[last] += &word;
        lines[last].push(' ');
    }
    lines
}

fn page(lines: &[String]) -> String {
    let shown: Vec<String> = lines.iter().map(|line| format!("({line}) Tj T*\n")).collect();
    format!("BT /F1 11 Tf 15 TL 50 780 Td\n{}ET\n", shown.concat())
}

fn assembled(objects: &[String]) -> Vec<u8> {
    let (mut text, mut places) = ("%PDF-1.4\n".to_owned(), Vec::new());
    for (number, object) in objects.iter().enumerate() {
        places.push(text.len());
        text += &format!("{} 0 obj\n{object}\nendobj\n", number + 1);
    }
    let (table, entries) = (text.len(), places.iter().map(|place| format!("{place:010} 00000 n \n")).collect::<String>());
    text += &format!("xref\n0 {0}\n0000000000 65535 f \n{entries}trailer\n<< /Size {0} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    text.into_bytes()
}

#![expect(clippy::unwrap_used, reason = "tests")]

use super::{
    samples::{docx, pdf, pptx, xlsx, zipped},
    *,
};

fn read(name: &str, bytes: &[u8]) -> Extraction {
    extract(name, None, bytes, &ExtractLimits::default()).unwrap()
}

fn fails(name: &str, bytes: &[u8]) -> ExtractError {
    extract(name, None, bytes, &ExtractLimits::default()).unwrap_err()
}

#[test]
fn a_pdf_gives_its_words_and_where_its_pages_start() {
    let one = read("report.pdf", &pdf(&["The Kestrel mine produced ninety tonnes of copper."]));
    assert_eq!(one.text.trim(), "The Kestrel mine produced ninety tonnes of copper.");
    assert_eq!(one.pages, [0]);
    let two = read("report.pdf", &pdf(&["The first page is about copper.", "The second page is about silver."]));
    assert_eq!(two.pages.len(), 2);
    assert!(two.text[two.pages[1]..].starts_with("The second page"), "{two:?}");
}

#[test]
fn a_pdf_that_cannot_be_read_says_so() {
    let corrupt = [b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog".to_vec(), b"\x00\xff garbage ".repeat(50)].concat();
    assert_eq!(fails("corrupt.pdf", &corrupt).to_string(), "the file could not be read: it is damaged or no PDF file");
    let whole = pdf(&["Some words that are long enough."]);
    // A file cut off anywhere is read or refused, and never a panic.
    for cut in (0..whole.len()).step_by(37) {
        let _ = extract("cut.pdf", None, &whole[..cut], &ExtractLimits::default());
    }
    assert_eq!(fails("scan.pdf", &pdf(&["", ""])), ExtractError::Scanned);
}

#[test]
fn an_encrypted_pdf_says_so() {
    let plain = String::from_utf8_lossy(&pdf(&["Secret words of some length."])).replace("\u{fffd}", "x");
    let encrypted = plain.replace(
        "/Root 1 0 R",
        "/Root 1 0 R /ID [<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>] /Encrypt << /Filter /Standard /V 1 /R 2 /O <28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A> /U <18BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A> /P -60 >>",
    );
    let error = fails("locked.pdf", encrypted.as_bytes());
    assert_eq!(error, ExtractError::Encrypted);
}

#[test]
fn a_word_document_gives_headings_tables_and_its_title() {
    let read = read("policy.docx", &docx("Terms", "The Nimbus warranty lasts seven years from the date of purchase."));
    assert_eq!(read.title.as_deref(), Some("Warranty & terms"));
    assert!(read.text.contains("# Terms") && read.text.contains("The Nimbus warranty lasts seven years") && read.text.contains("Hinge"), "{}", read.text);
}

#[test]
fn entities_come_through_every_office_format() {
    let text = "R&amp;D &lt;b&gt; &quot;q&quot; it&#8217;s &#x26; done";
    let plain = "R&D <b> \"q\" it’s & done";
    for (name, bytes) in [("a.docx", docx("A&amp;B", text)), ("a.xlsx", xlsx(&[&["Name", "Note"], &["x", text]])), ("a.pptx", pptx(&[text]))] {
        assert!(read(name, &bytes).text.contains(plain), "{name}: {}", read(name, &bytes).text);
    }
    assert!(read("a.docx", &docx("A&amp;B", text)).text.contains("# A&B"));
}

#[test]
fn a_spreadsheet_gives_a_line_a_row_with_its_headers() {
    let read = read("staff.xlsx", &xlsx(&[&["Name", "Floor"], &["Peregrine", "ninth"], &["Kestrel", "second"]]));
    assert_eq!(read.text.trim(), "## Offices\n\n- Name: Peregrine; Floor: ninth\n- Name: Kestrel; Floor: second");
}

#[test]
fn a_presentation_gives_its_slides_as_pages() {
    let read = read("talk.pptx", &pptx(&["The Halcyon conference is held in Ljubljana.", "Second slide."]));
    assert!(read.text.starts_with("## Slide 1\n\nThe Halcyon conference is held in Ljubljana. R&D."), "{read:?}");
    assert_eq!(read.title.as_deref(), Some("Slide 1"));
    assert_eq!(read.pages.len(), 2, "{read:?}");
    assert!(read.text[read.pages[1]..].contains("Second slide") && !read.text[read.pages[1]..].contains("Halcyon"), "{read:?}");
}

#[test]
fn office_files_that_are_none_or_are_cut_off_say_so() {
    assert_eq!(fails("not-a-word-file.docx", b"PK\x03\x04 this is no archive"), ExtractError::Failed("it is damaged or no Word document".to_owned()));
    let whole = docx("Terms", "Some words.");
    for cut in (1..whole.len()).step_by(61) {
        fails("cut.docx", &whole[..cut]);
    }
    assert_eq!(fails("locked.docx", &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, 0, 0]), ExtractError::Encrypted);
    fails("wrong.docx", &zipped(&[("readme.txt", b"no document")]));
}

#[test]
fn a_page_gives_what_is_read_and_not_its_menu() {
    let html = "<!doctype html><html><head><title>Bridge &amp; tunnel</title><style>p{}</style></head><body><nav>menu</nav><header>logo</header><main><h1>Bridge</h1>\
        <p>The <b>Oskarsund</b> bridge was designed by <a href='/p'>Petra Lindqvist</a>.</p><ul><li>one</li><li>two <ul><li>deep</li></ul></li></ul>\
        <pre>let x = 1;\n# no heading</pre><table><tr><th>Span</th><th>Metres</th></tr><tr><td>Main</td><td>420</td></tr></table><script>alert(1)</script></main><footer>© us</footer></body></html>";
    let read = read("bridge.html", html.as_bytes());
    assert_eq!(read.title.as_deref(), Some("Bridge & tunnel"));
    assert_eq!(
        read.text,
        "# Bridge\n\nThe Oskarsund bridge was designed by Petra Lindqvist.\n\n- one\n- two\n\n  - deep\n\n```\nlet x = 1;\n# no heading\n```\n\n- Span: Main; Metres: 420"
    );
}

#[test]
fn a_page_of_any_depth_is_read() {
    for depth in [2_000, 500_000] {
        let deep = format!("<html><body>{}deep words{}</body></html>", "<div>".repeat(depth), "</div>".repeat(depth));
        assert_eq!(read("deep.html", deep.as_bytes()).text, "deep words");
    }
}

#[test]
fn the_links_of_a_page_are_found() {
    let html = "<base href='/docs/'><a href=\"a?x=1&amp;y=2\">a</a> <A class=x HREF='/b'>b</A> <a data-href='no' href=c>c</a> <!-- <a href='no'> --><script>'<a href=\"no\">'</script> <a name='x'> <a href='mailto:x@y'> <abbr href='no'>";
    let found = page_links(html.as_bytes(), None, &url::Url::parse("https://a.example/x/y").unwrap());
    let found: Vec<_> = found.iter().map(url::Url::as_str).collect();
    assert_eq!(found, ["https://a.example/docs/a?x=1&y=2", "https://a.example/b", "https://a.example/docs/c"]);
}

#[test]
fn a_page_is_decoded_by_its_declared_charset() {
    let page = b"<html><head><meta charset=\"iso-8859-1\"><title>Caf\xe9</title></head><body><p>Cr\xe8me</p></body></html>";
    let read = read("cafe.html", page);
    assert_eq!((read.title.as_deref(), read.text.as_str()), (Some("Café"), "Crème"));
}

#[test]
fn markdown_stays_as_it_is_and_its_first_heading_is_its_title() {
    let read = read("orchard.md", b"# Orchard\n\nThe Brambleford pears are picked in the last week of September.\n");
    assert_eq!(read.title.as_deref(), Some("Orchard"));
    assert!(read.text.starts_with("# Orchard\n\nThe Brambleford"));
    let front = super::tests::read("post.md", b"---\ntitle: \"Of pears\"\ntags: [a]\n---\n\nText only.\n");
    assert_eq!((front.title.as_deref(), front.text.trim()), (Some("Of pears"), "Text only."));
}

#[test]
fn years_name_columns_and_a_list_of_questions_is_told_by_question() {
    let text = |csv: &str| crate::extract::csv::extract(csv).unwrap().text;
    assert_eq!(text("Item,2024,2025\nRent,21600,22800\n"), "- Item: Rent; 2024: 21600; 2025: 22800\n");
    assert_eq!(text("1,2\n3,4\n"), "- 1: 2\n- 3: 4\n");
    assert_eq!(text("Question,Answer\nMay I?,Yes. Do.\n"), "### May I?\n\nYes. Do.\n");
}

#[test]
fn a_table_gives_a_line_a_row_with_its_headers() {
    let comma = read("prices.csv", b"product,price\nVelvetine lamp,eighty-one crowns\n\"Oak, stool\",forty crowns\n");
    assert_eq!(comma.text, "- product: Velvetine lamp; price: eighty-one crowns\n- product: Oak, stool; price: forty crowns\n");
    let semicolon = read("prices.csv", "Produkt;Preis\nStühle;1,50\n".as_bytes());
    assert_eq!(semicolon.text, "- Produkt: Stühle; Preis: 1,50\n");
    assert_eq!(read("one.csv", b"just,one\n").text, "- just: one\n");
}

#[test]
fn questions_and_answers_become_a_section_each() {
    let text = qna_markdown(b"\xef\xbb\xbfid,Question,ANSWER\n1,How deep?,\"Fourteen metres.\n# really\"\n2,Who?,Petra\n").unwrap();
    assert_eq!(text, "### How deep?\n\nFourteen metres.\n\\# really\n\n### Who?\n\nPetra\n");
    assert_eq!(qna_markdown(b"Q,Answer\na,b\n").unwrap_err(), "the column Question is missing; a question list needs the columns Question and Answer");
    assert_eq!(qna_markdown(b"a,b\n1,2\n").unwrap_err(), "the columns Question and Answer are missing");
    assert!(qna_markdown(b"").is_err() && qna_markdown(b"Question,Answer\n").is_err());
}

#[test]
fn json_gives_each_value_with_its_path() {
    let read = read(
        "stations.json",
        br#"{"stations": [{"name": "A", "note": "Tannerburg station is served by the violet line."}, {"name": "B", "lines": ["red", "blue"]}], "open": true}"#,
    );
    assert_eq!(read.text, "stations:\n\n- name: A; note: Tannerburg station is served by the violet line.\n- name: B; lines: red, blue\n\nopen: true\n\n");
    let nested = super::tests::read("nested.json", br#"{"lines": [{"stops": [{"at": 1}]}, {"stops": []}]}"#).text;
    assert_eq!(nested, "lines 1.stops:\n\n- at: 1\n\n");
    assert!(super::tests::read("rows.jsonl", b"{\"a\":1}\n{\"a\":2}\n").text.contains("a: 2"));
    assert_eq!(super::tests::read("broken.json", b"{\"a\": oops").text, "{\"a\": oops");
    let deep = "[".repeat(100_000);
    assert_eq!(super::tests::read("deep.json", deep.as_bytes()).text.len(), deep.len());
}

#[test]
fn text_is_read_in_its_encoding() {
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain("Größe\r\nzwei".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(read("a.txt", &wide).text, "Größe\nzwei");
    assert_eq!(read("a.txt", b"Gr\xf6\xdfe").text, "Größe");
    assert_eq!(read("main.rs", b"# fn main() {}").text, "```rs\n# fn main() {}\n```\n");
    assert_eq!(read("Makefile", b"all:\n\techo").text, "all:\n\techo");
}

#[test]
fn what_is_no_text_or_has_none_says_so() {
    assert_eq!(fails("empty.txt", b""), ExtractError::Empty);
    assert_eq!(fails("blank.md", b" \n\n "), ExtractError::Empty);
    assert_eq!(fails("empty.html", b"<html><body><script>x</script></body></html>"), ExtractError::Empty);
    assert_eq!(fails("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), ExtractError::Unsupported);
    assert_eq!(fails("noise.dat", &(0..=255u8).cycle().take(4096).collect::<Vec<_>>()), ExtractError::Unsupported);
}

#[test]
fn the_same_bytes_give_the_same_text() {
    for (name, bytes) in [("a.pdf", pdf(&["One page of words.", "And another."])), ("a.docx", docx("H", "T")), ("a.pptx", pptx(&["x y z"]))] {
        assert_eq!(extract(name, None, &bytes, &ExtractLimits::default()), extract(name, None, &bytes, &ExtractLimits::default()), "{name}");
        read(name, &bytes);
    }
}

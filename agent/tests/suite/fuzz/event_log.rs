//! Makes small Windows event logs, so that there are seeds of that format wherever the tests run. It writes what the
//! format's description says, and nothing that a reader must not expect.

const HEADER_BLOCK_BYTES: usize = 4096;
const CHUNK_BYTES: usize = 65_536;
const CHUNK_HEADER_BYTES: usize = 512;
/// 2026-11-23 05:29:20 as Windows counts: steps of 100 nanoseconds since 1601.
const WRITTEN: u64 = 134_398_853_600_000_000;

const OPEN: u8 = 0x01;
const OPEN_WITH_ATTRIBUTES: u8 = 0x41;
const CLOSE_START: u8 = 0x02;
const CLOSE: u8 = 0x04;
const VALUE: u8 = 0x05;
const ATTRIBUTE: u8 = 0x06;
const TEMPLATE: u8 = 0x0c;
const SUBSTITUTION: u8 = 0x0d;
const FRAGMENT: [u8; 4] = [0x0f, 1, 1, 0];
const TEXT: u8 = 0x01;
const NUMBER: u8 = 0x0a;

/// What stands for an element's content.
#[derive(Clone, Copy)]
enum Content<'a> {
    Text(&'a str),
    Substituted(u16, u8),
}

/// A log whose records fill in one template, as Windows writes them.
pub(crate) fn with_template() -> Vec<u8> {
    let mut chunk = Chunk::new();
    let commands = ["cmd.exe /c dir", "net.exe localgroup administrators", "-"];
    for command in commands {
        chunk.record(|chunk, number| {
            let is_first = number == 1;
            chunk.bytes.push(TEMPLATE);
            chunk.bytes.push(1);
            chunk.u32(0x2a);
            let behind = chunk.bytes.len() as u32 + 4;
            let definition = *chunk.template.get_or_insert(behind);
            chunk.u32(definition);
            if is_first {
                chunk.template(|chunk| {
                    event(
                        chunk,
                        Content::Substituted(0, NUMBER),
                        Content::Substituted(1, TEXT),
                    );
                });
            }
            let command = utf16(command);
            chunk.u32(2);
            chunk.bytes.extend([8, 0, NUMBER, 0]);
            chunk.bytes.extend((command.len() as u16).to_le_bytes());
            chunk.bytes.extend([TEXT, 0]);
            chunk.bytes.extend(number.to_le_bytes());
            chunk.bytes.extend(command);
        });
    }
    chunk.into_file()
}

/// A log whose records spell everything out.
pub(crate) fn plain() -> Vec<u8> {
    let mut chunk = Chunk::new();
    for number in 1..3_u64 {
        chunk.record(|chunk, _| {
            let number = number.to_string();
            event(
                chunk,
                Content::Text(&number),
                Content::Text("cmd.exe /c \"a b\""),
            );
        });
    }
    chunk.into_file()
}

fn event(chunk: &mut Chunk, number: Content<'_>, command: Content<'_>) {
    let text = Content::Text;
    chunk.element("Event", &[], |chunk| {
        chunk.element("System", &[], |chunk| {
            let provider = [("Name", "Microsoft-Windows-Security-Auditing")];
            chunk.element("Provider", &provider, |_| {});
            chunk.leaf("EventID", &[], text("4688"));
            let created = [("SystemTime", "2026-11-23T05:29:20.1234567Z")];
            chunk.element("TimeCreated", &created, |_| {});
            chunk.leaf("EventRecordID", &[], number);
            chunk.leaf("Channel", &[], text("Security"));
            chunk.leaf("Computer", &[], text("pc1.example.org"));
        });
        chunk.element("EventData", &[], |chunk| {
            for (name, content) in [
                ("SubjectUserSid", text("S-1-5-21-1-2-3-1001")),
                ("SubjectUserName", text("anna")),
                ("SubjectDomainName", text("EXAMPLE")),
                ("SubjectLogonId", text("0x3e7")),
                ("NewProcessId", text("0x1a2b")),
                ("NewProcessName", text(r"C:\Windows\System32\cmd.exe")),
                ("TokenElevationType", text("%%1937")),
                ("ProcessId", text("0x4")),
                ("CommandLine", command),
                ("MandatoryLabel", text("S-1-16-12288")),
            ] {
                chunk.leaf("Data", &[("Name", name)], content);
            }
        });
    });
}

struct Chunk {
    bytes: Vec<u8>,
    records: u64,
    last_record: u32,
    template: Option<u32>,
    is_in_template: bool,
}

impl Chunk {
    fn new() -> Self {
        let mut bytes = b"ElfChnk\0".to_vec();
        bytes.resize(CHUNK_HEADER_BYTES, 0);
        Self {
            bytes,
            records: 0,
            last_record: 0,
            template: None,
            is_in_template: false,
        }
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn set_u32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn record(&mut self, content: impl FnOnce(&mut Self, u64)) {
        let start = self.bytes.len();
        self.records += 1;
        self.last_record = start as u32;
        self.bytes.extend([0x2a, 0x2a, 0, 0]);
        self.u32(0);
        self.bytes.extend(self.records.to_le_bytes());
        self.bytes.extend(WRITTEN.to_le_bytes());
        self.bytes.extend(FRAGMENT);
        content(self, self.records);
        self.bytes.push(0);
        let size = (self.bytes.len() - start + 4) as u32;
        self.u32(size);
        self.set_u32(start + 4, size);
    }

    fn template(&mut self, content: impl FnOnce(&mut Self)) {
        self.u32(0);
        self.bytes.extend(*b"a template of us");
        let size_at = self.bytes.len();
        self.u32(0);
        self.bytes.extend(FRAGMENT);
        self.is_in_template = true;
        content(self);
        self.is_in_template = false;
        self.bytes.push(0);
        self.set_u32(size_at, (self.bytes.len() - size_at - 4) as u32);
    }

    // A name stands where it is used; its place says so.
    fn name(&mut self, name: &str) {
        let place = self.bytes.len() as u32 + 4;
        self.u32(place);
        self.u32(0);
        let hash = name.encode_utf16().fold(0_u32, |hash, unit| {
            hash.wrapping_mul(65_599).wrapping_add(u32::from(unit))
        });
        self.bytes.extend((hash as u16).to_le_bytes());
        self.bytes.extend((name.len() as u16).to_le_bytes());
        self.bytes.extend(utf16(name));
        self.bytes.extend([0, 0]);
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend([VALUE, TEXT]);
        self.bytes.extend((text.len() as u16).to_le_bytes());
        self.bytes.extend(utf16(text));
    }

    fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        content: impl FnOnce(&mut Self),
    ) {
        self.bytes.push(match attributes {
            [] => OPEN,
            _ => OPEN_WITH_ATTRIBUTES,
        });
        if self.is_in_template {
            self.bytes.extend([0xff, 0xff]);
        }
        let size_at = self.bytes.len();
        self.u32(0);
        self.name(name);
        if !attributes.is_empty() {
            let list_at = self.bytes.len();
            self.u32(0);
            for (name, value) in attributes {
                self.bytes.push(ATTRIBUTE);
                self.name(name);
                self.text(value);
            }
            self.set_u32(list_at, (self.bytes.len() - list_at - 4) as u32);
        }
        self.bytes.push(CLOSE_START);
        content(self);
        self.bytes.push(CLOSE);
        self.set_u32(size_at, (self.bytes.len() - size_at - 4) as u32);
    }

    fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], content: Content<'_>) {
        self.element(name, attributes, |chunk| match content {
            Content::Text(text) => chunk.text(text),
            Content::Substituted(number, kind) => {
                chunk.bytes.push(SUBSTITUTION);
                chunk.bytes.extend(number.to_le_bytes());
                chunk.bytes.push(kind);
            }
        });
    }

    fn into_file(mut self) -> Vec<u8> {
        for (at, value) in [(8, 1), (16, self.records), (24, 1), (32, self.records)] {
            self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let free = self.bytes.len() as u32;
        self.set_u32(40, 128);
        self.set_u32(44, self.last_record);
        self.set_u32(48, free);
        assert!(self.bytes.len() <= CHUNK_BYTES, "one chunk holds a seed");
        self.bytes.resize(CHUNK_BYTES, 0);
        let mut file = b"ElfFile\0".to_vec();
        file.resize(HEADER_BLOCK_BYTES, 0);
        file.extend(self.bytes);
        file
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

//! Small Windows programs, made here byte by byte: headers, one section with a version resource, and as much behind it as
//! is wanted. They run nowhere, and every field that facts are taken from is where it belongs.

/// Where the section begins in the file and in memory.
const SECTION_AT: u32 = 0x400;
const SECTION_ADDRESS: u32 = 0x1000;
const OPTIONAL_BYTES: u16 = 240;

/// Texts of one language.
pub(crate) struct Table<'a> {
    pub(crate) language: &'a str,
    pub(crate) strings: &'a [(&'a str, &'a str)],
}

/// A program for 64-bit machines with these texts and `tail` behind its section.
pub(crate) fn program(version: [u16; 4], tables: &[Table<'_>], tail: &[u8]) -> Vec<u8> {
    let resources = resources(&version_info(version, tables));
    let mut program = headers(resources.len() as u32);
    program.resize(SECTION_AT as usize, 0);
    program.extend(&resources);
    program.resize(program.len().next_multiple_of(0x200), 0);
    program.extend(tail);
    program
}

/// A program that says nothing about itself.
pub(crate) fn silent(tail: &[u8]) -> Vec<u8> {
    program([1, 0, 0, 0], &[], tail)
}

fn headers(resource_bytes: u32) -> Vec<u8> {
    let raw = resource_bytes.next_multiple_of(0x200);
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3c, 0);
    bytes.extend(0x40_u32.to_le_bytes());
    bytes.extend(b"PE\0\0");
    for half in [0x8664_u16, 1] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend([0; 12]);
    for half in [OPTIONAL_BYTES, 0x22] {
        bytes.extend(half.to_le_bytes());
    }
    let optional = bytes.len();
    bytes.extend(0x20b_u16.to_le_bytes());
    bytes.resize(optional + 16, 0);
    bytes.extend(SECTION_ADDRESS.to_le_bytes()); // entry point
    bytes.resize(optional + 24, 0);
    bytes.extend(0x1_4000_0000_u64.to_le_bytes()); // image base
    bytes.extend(0x1000_u32.to_le_bytes()); // alignment in memory
    bytes.extend(0x200_u32.to_le_bytes()); // alignment in the file
    bytes.extend([6, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]); // versions
    bytes.extend((SECTION_ADDRESS + raw.next_multiple_of(0x1000)).to_le_bytes()); // image
    bytes.extend(SECTION_AT.to_le_bytes()); // headers
    bytes.resize(optional + 68, 0);
    bytes.extend(3_u16.to_le_bytes()); // a console program
    bytes.resize(optional + 108, 0);
    bytes.extend(16_u32.to_le_bytes());
    bytes.resize(optional + 112 + 2 * 8, 0);
    bytes.extend(SECTION_ADDRESS.to_le_bytes());
    bytes.extend(resource_bytes.to_le_bytes());
    bytes.resize(optional + usize::from(OPTIONAL_BYTES), 0);
    bytes.extend(b".rsrc\0\0\0");
    for number in [resource_bytes, SECTION_ADDRESS, raw, SECTION_AT] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([0; 12]);
    bytes.extend(0x4000_0040_u32.to_le_bytes());
    bytes
}

/// Three levels of one entry each, and the version behind them.
fn resources(version: &[u8]) -> Vec<u8> {
    const SUBDIRECTORY: u32 = 1 << 31;
    let directory = |id: u32, link: u32| {
        let mut bytes = vec![0; 14];
        bytes.extend(1_u16.to_le_bytes());
        bytes.extend(id.to_le_bytes());
        bytes.extend(link.to_le_bytes());
        bytes
    };
    let mut bytes = directory(16, SUBDIRECTORY | 24);
    bytes.extend(directory(1, SUBDIRECTORY | 48));
    bytes.extend(directory(0x409, 72));
    bytes.extend((SECTION_ADDRESS + 88).to_le_bytes());
    bytes.extend((version.len() as u32).to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(version);
    bytes
}

fn version_info([a, b, c, d]: [u16; 4], tables: &[Table<'_>]) -> Vec<u8> {
    let mut fixed = Vec::new();
    for number in [0xfeef_04bd_u32, 0x10000] {
        fixed.extend(number.to_le_bytes());
    }
    // The product has the same version as the file.
    for half in [b, a, d, c, b, a, d, c] {
        fixed.extend(half.to_le_bytes());
    }
    fixed.resize(52, 0);
    let tables: Vec<Vec<u8>> = tables.iter().map(table).collect();
    let strings = block("StringFileInfo", 0, &[], &tables);
    let mut pair = 0x409_u16.to_le_bytes().to_vec();
    pair.extend(0x4b0_u16.to_le_bytes());
    let translation = block("Translation", pair.len(), &pair, &[]);
    let variables = block("VarFileInfo", 0, &[], &[translation]);
    block(
        "VS_VERSION_INFO",
        fixed.len(),
        &fixed,
        &[strings, variables],
    )
}

fn table(table: &Table<'_>) -> Vec<u8> {
    let strings = table.strings.iter().map(|(name, text)| {
        let text = utf16(text);
        block(name, text.len() / 2, &text, &[])
    });
    block(table.language, 0, &[], &strings.collect::<Vec<_>>())
}

/// A block whose every part begins at a multiple of four bytes.
fn block(key: &str, value_length: usize, value: &[u8], children: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 2];
    bytes.extend((value_length as u16).to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(utf16(key));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(value);
    for child in children {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(child);
    }
    let length = (bytes.len() as u16).to_le_bytes();
    bytes[..2].copy_from_slice(&length);
    bytes
}

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}

use super::*;

/// What C core sends for a socket at `/tmp/api.sock`.
const PATH: &[u8] = b"tmp%2Fapi.sock";

/// A literal with the static name `:authority`, as it is.
fn plain(pattern: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![pattern | 1];
    write_integer(&mut field, 0, 7, value.len());
    field.extend_from_slice(value);
    field
}

fn sizes(blocks: &Blocks) -> Vec<usize> {
    blocks.table.iter().map(|entry| entry.size).collect()
}

#[test]
fn examples_of_the_standard_fill_the_table_and_pass() {
    // RFC 7541, appendices C.3 and C.4: three requests, plain and in the Huffman code.
    let plain = [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ];
    let coded = [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ];
    for requests in [plain, coded] {
        let mut blocks = Blocks::default();
        for (request, table) in requests.iter().zip([&[57][..], &[53, 57], &[54, 53, 57]]) {
            assert_eq!(blocks.read(&hex::decode(request).unwrap()), Ok(None));
            assert_eq!(sizes(&blocks), table);
            assert_eq!(blocks.size, table.iter().sum::<usize>());
        }
        assert!(blocks.table[2].name.authority);
    }
}

#[test]
fn authority_that_can_be_parsed_passes() {
    for value in ["localhost", "example.org:8081", "[::1]:80", "user@host", "a", "unix"] {
        for pattern in [0x40, 0x00, 0x10] {
            assert_eq!(Blocks::default().read(&plain(pattern, value.as_bytes())), Ok(None), "{value}");
        }
    }
}

#[test]
fn kept_authority_is_replaced_at_its_length() {
    let mut blocks = Blocks::default();
    let mut block = vec![0x83, 0x86];
    block.extend(plain(0x40, PATH));
    block.push(0x84);
    let mut expected = vec![0x83, 0x86];
    expected.extend(plain(0x40, b"localhost-----"));
    expected.push(0x84);
    assert_eq!(blocks.read(&block), Ok(Some(expected)));
    assert_eq!(sizes(&blocks), [32 + 10 + 14]);
    // The next request refers to what the table has now, and passes.
    assert_eq!(blocks.read(&[0x83, 0x86, 0xbe, 0x84]), Ok(None));
    assert_eq!(blocks.read(&plain(0x40, b"%2F")), Ok(Some(plain(0x40, b"loc"))));
}

#[test]
fn authority_that_is_not_kept_becomes_localhost() {
    for pattern in [0x00, 0x10] {
        for value in [PATH, b"", b"%", b"a:b:c", b"\xff\xfe"] {
            let mut blocks = Blocks::default();
            assert_eq!(blocks.read(&plain(pattern, value)), Ok(Some(plain(pattern, b"localhost"))));
            assert!(blocks.table.is_empty());
        }
    }
}

#[test]
fn authority_is_known_by_every_form_of_its_name() {
    let huffman_value = [0x8a, 0x4d, 0x35, 0xaa, 0x2c, 0x23, 0xac, 0xcb, 0xa0, 0xe4, 0xeb];
    let mut named = vec![0x40, 10];
    named.extend_from_slice(AUTHORITY);
    named.extend_from_slice(&huffman_value);
    let mut coded = vec![0x40, 0x88];
    coded.extend_from_slice(CODED_AUTHORITY);
    coded.extend_from_slice(&huffman_value);
    let mut blocks = Blocks::default();
    for block in [named, coded] {
        assert_eq!(blocks.read(&block), Ok(Some(plain(0x40, b"localhost-----"))));
    }
    // By an entry of the table: index 62 with a 6-bit and with a 4-bit prefix.
    let mut by_entry = vec![0x7e];
    by_entry.extend_from_slice(&huffman_value);
    assert_eq!(blocks.read(&by_entry), Ok(Some(plain(0x40, b"localhost-----"))));
    let mut unkept = vec![0x0f, 62 - 15];
    unkept.extend_from_slice(&huffman_value);
    assert_eq!(blocks.read(&unkept), Ok(Some(plain(0, b"localhost"))));
    assert_eq!(sizes(&blocks), [56, 56, 56]);
}

#[test]
fn coded_name_is_the_name() {
    let mut name = Vec::new();
    huffman::decode(CODED_AUTHORITY, |byte| name.push(byte)).unwrap();
    assert_eq!(name, AUTHORITY);
}

#[test]
fn other_fields_with_such_a_value_pass() {
    // `host`, `:path`, and a name of its own.
    let mut block = vec![0x66, 14];
    block.extend_from_slice(PATH);
    block.extend_from_slice(&[0x44, 14]);
    block.extend_from_slice(PATH);
    block.extend_from_slice(b"\x40\x0a:authoritx\x0e");
    block.extend_from_slice(PATH);
    assert_eq!(Blocks::default().read(&block), Ok(None));
}

#[test]
fn old_entries_make_room() {
    let mut blocks = Blocks::default();
    let long = vec![b'a'; 2000];
    for _ in 0..3 {
        assert_eq!(blocks.read(&plain(0x40, &long)), Ok(None));
    }
    assert_eq!(sizes(&blocks), [2042, 2042]);
    // One over the whole table empties it.
    assert_eq!(blocks.read(&plain(0x40, &vec![b'a'; 5000])), Ok(None));
    assert_eq!(blocks.size, 0);
    assert_eq!(blocks.read(&[0xbe]), Err(MalformedBlock::Index(62)));
}

#[test]
fn table_size_follows_the_peer_within_the_announced_one() {
    let mut blocks = Blocks::default();
    blocks.read(&plain(0x40, b"a")).unwrap();
    // 0, then 4096; what was kept is gone.
    assert_eq!(blocks.read(&[0x20, 0x3f, 0xe1, 0x1f]), Ok(None));
    assert!(blocks.table.is_empty());
    assert_eq!(blocks.read(&[0x3f, 0xe2, 0x1f]), Err(MalformedBlock::Table(4097)));
    assert_eq!(Blocks::default().read(&[0x82, 0x20]), Err(MalformedBlock::LateTable));
    // A table of 60 bytes holds one field.
    let mut small = Blocks::default();
    let mut block = vec![0x3f, 60 - 31];
    block.extend(plain(0x40, b"a"));
    block.extend(plain(0x40, b"b"));
    assert_eq!(small.read(&block), Ok(None));
    assert_eq!(sizes(&small), [43]);
}

#[test]
fn malformed_blocks_are_refused() {
    for (block, reason) in [
        (&[0x80][..], MalformedBlock::Index(0)),
        (&[0xbe], MalformedBlock::Index(62)),
        (&[0x7e, 0x00], MalformedBlock::Index(62)),
        (&[0x41], MalformedBlock::Ends),
        (&[0x41, 0x05, b'a'], MalformedBlock::Ends),
        (&[0x40, 0x01], MalformedBlock::Ends),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], MalformedBlock::Integer),
        (&[0x41, 0x82, 0xff, 0xff], MalformedBlock::Huffman),
        (&[0x41, 0x81, 0x00], MalformedBlock::Huffman),
    ] {
        assert_eq!(Blocks::default().read(block), Err(reason), "{block:02x?}");
    }
}

#[test]
fn static_names_have_their_lengths() {
    let blocks = Blocks::default();
    for (index, name) in [(1, ":authority"), (4, ":path"), (8, ":status"), (31, "content-type"), (58, "user-agent")] {
        assert_eq!(blocks.name(index).unwrap().length, name.len());
    }
    assert_eq!(blocks.name(61).unwrap().length, "www-authenticate".len());
    assert_eq!(STATIC.iter().map(|length| usize::from(*length)).sum::<usize>(), 622);
}

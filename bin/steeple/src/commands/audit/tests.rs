use crate::commands::testing::env;

fn run(line: &[&str]) -> (u8, String, String) {
    let arguments: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
    let (mut env, streams) = env();
    let status = super::program("1").run(&arguments, &mut env);
    (status, streams.out(), streams.err())
}

#[test]
fn what_is_asked_wrong_is_told_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for (line, said) in [
        (&["verify"][..], "name the trail's folder with -directory"),
        (&["verify", "-directory", "/nowhere"], "/nowhere is not a folder"),
        (&["verify", "-directory", path], "has no key.pub; give the trail's key (-key)"),
        (&["verify", "-proof", "/nowhere"], "name its file with -key"),
        (&["verify", "-directory", path, "-from", "-2"], "-from is the number of a record, which -2 is not"),
        (&["prove", "-directory", path], "-record is the number of a record"),
        (&["search", "-directory", path, "-since", "yesterday"], "is not a time such as"),
        (&["export", "-directory", path], "name the folder to write into with -out"),
        (&["export", "-directory", path, "-out", "x"], "no record is of that time"),
        (&["report", "-directory", path, "-hours", "night"], "-hours \"night\" is not like 8-18"),
        (&["report", "-directory", path, "-output", "xml"], "-output \"xml\" is neither pretty nor json"),
        (&["hold", "set", "-directory", path, "-name", "a"], "a hold needs a reason"),
        (&["hold", "release", "-directory", path, "-name", "a", "-reason", "b"], "there is no hold \"a\""),
    ] {
        let (status, out, error) = run(line);
        assert_eq!((status, out.as_str()), (1, ""), "{line:?}");
        assert!(error.contains(said), "{line:?}: {error}");
    }
    assert_eq!(run(&["verify", "-nonsense"]).0, 2);
    assert_eq!(run(&["search", "-directory", path]), (0, String::new(), String::new()));
}

//! Tokens, and what each failure says.

use tonic::{Code, Status};

use super::fake::Fake;
use super::{command, run};
use crate::commands::said;

#[test]
fn the_token_comes_from_a_file_or_the_environment_and_is_never_shown() {
    let fake = Fake::start();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "from-the-file\n").unwrap();
    let file = file.to_str().unwrap();
    for (flag, variable, expected) in [
        (None, None, None),
        (
            None,
            Some("from-the-variable"),
            Some("Bearer from-the-variable"),
        ),
        (
            Some(file),
            Some("from-the-variable"),
            Some("Bearer from-the-file"),
        ),
    ] {
        let flag = flag.map(|file| ["--token-file", file]);
        let arguments = [&["plan"][..], flag.as_ref().map_or(&[], |it| &it[..])].concat();
        let mut command = command(&fake.url(), &arguments);
        command.envs(variable.map(|token| ("QUOTAD_TOKEN", token)));
        assert_eq!(said(&command.output().unwrap()).0, 0);
        let token = fake.methods().pop().unwrap().1;
        assert_eq!(token.as_deref(), expected);
    }
    for wrong in ["two words", "", "caf\u{e9}"] {
        std::fs::write(file, wrong).unwrap();
        let mut command = command(&fake.url(), &["plan", "--token-file", file]);
        let (code, text) = said(&command.output().unwrap());
        assert!(
            code == 2 && text.contains("holds no token"),
            "{wrong:?}: {text}"
        );
        assert!(wrong.is_empty() || !text.contains(wrong), "{text}");
    }
    assert_eq!(run(&fake, &["plan", "--token-file", "missing"]).0, 2);
}

#[test]
fn each_failure_ends_with_its_code_and_says_what_to_do() {
    let fake = Fake::start();
    for (code, exit, part) in [
        (Code::Unauthenticated, 5, "--token-file"),
        (Code::PermissionDenied, 5, "higher role"),
        (Code::NotFound, 5, "NOT_FOUND: it is so"),
        (Code::InvalidArgument, 5, "INVALID_ARGUMENT: it is so"),
        (Code::FailedPrecondition, 5, "FAILED_PRECONDITION: it is so"),
        (Code::Aborted, 5, "Somebody else changed it"),
        (Code::Unimplemented, 4, "management listener"),
        (Code::Unavailable, 4, "UNAVAILABLE: it is so"),
        (Code::Internal, 4, "INTERNAL: it is so"),
    ] {
        fake.refuses("get_limit", Status::new(code, "it is so"));
        let (came, text) = run(&fake, &["limits", "get", "ana"]);
        assert!(
            came == exit && text.contains(part),
            "{code:?}: {came}, {text}"
        );
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let (code, text) = said(&command(&url, &["limits", "list"]).output().unwrap());
    assert!(
        code == 4 && text.contains("no sidecar answers") && text.contains("--management"),
        "{text}"
    );
    let (code, text) = said(&command("http://[", &["limits", "list"]).output().unwrap());
    assert!(code == 2 && text.contains("no address"), "{text}");
}

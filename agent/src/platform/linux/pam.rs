//! Asks the system's own authentication (PAM) whether a person is who it says. The library is loaded when it is needed, so
//! that a system without it runs everything else. Only for a process of its own: its modules may do anything, crash
//! included.
//!
//! It must not show anything to anybody: what modules ask and say goes through the caller.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The library that every Linux with PAM has under this name.
const LIBRARY: &CStr = c"libpam.so.0";

const SUCCESS: c_int = 0;
const BUFFER_ERROR: c_int = 5;
const CONVERSATION_ERROR: c_int = 19;
/// What a module may ask at a time, as the library's header says.
const MAX_MESSAGES: c_int = 32;
/// Bytes of an answer, its end included, as the library's header says.
const MAX_ANSWER_BYTES: usize = 512;
/// Accounts without a password are nobody's.
const DISALLOW_EMPTY: c_int = 1;

const USER: c_int = 2;
const TERMINAL: c_int = 3;
const ASKING_USER: c_int = 8;

/// What a module says or asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// An answer that must not be seen while it is typed.
    Secret,
    /// An answer that may be.
    Visible,
    /// Something went wrong.
    Error,
    /// Anything else that the person should know.
    Info,
}

/// Why a person was not let through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PamError {
    /// There is no such library, or it is another than we know.
    #[error("the system's authentication cannot be loaded: {0}")]
    Unavailable(String),
    /// The answers were wrong, or the account may not be used.
    #[error("{0}")]
    Refused(String),
    /// The person gave no answer.
    #[error("no answer was given")]
    Cancelled,
    /// The modules let through somebody else.
    #[error("the system authenticated {0} instead")]
    Another(String),
}

/// Answers what a module asks; `None` gives up.
pub type Answers<'a> = &'a mut dyn FnMut(Style, &str) -> Option<String>;

/// Whether `user` authenticates for `service` and may use the account now.
///
/// # Errors
///
/// [`PamError`]: then not.
pub fn authenticate(
    service: &str,
    user: &str,
    terminal: &str,
    answers: Answers<'_>,
) -> Result<(), PamError> {
    let library = Library::load().map_err(PamError::Unavailable)?;
    let unusable = |_| PamError::Refused("the name cannot be used".to_owned());
    let (service, name) = (
        CString::new(service).map_err(unusable)?,
        CString::new(user).map_err(unusable)?,
    );
    let terminal = CString::new(terminal).map_err(unusable)?;
    let mut conversation = Conversation {
        answers,
        given_up: false,
    };
    let said = library.transaction(&service, &name, &terminal, &mut conversation);
    match said {
        _ if conversation.given_up => Err(PamError::Cancelled),
        Ok(authenticated) if authenticated == user => Ok(()),
        Ok(another) => Err(PamError::Another(another)),
        Err(words) => Err(PamError::Refused(words)),
    }
}

struct Conversation<'a> {
    answers: Answers<'a>,
    given_up: bool,
}

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    unused: c_int,
}

type Converse =
    extern "C" fn(c_int, *const *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conv {
    converse: Converse,
    data: *mut c_void,
}

type Handle = *mut c_void;

type Start = unsafe extern "C" fn(*const c_char, *const c_char, *const Conv, *mut Handle) -> c_int;
type Act = unsafe extern "C" fn(Handle, c_int) -> c_int;
type SetItem = unsafe extern "C" fn(Handle, c_int, *const c_void) -> c_int;
type GetItem = unsafe extern "C" fn(Handle, c_int, *mut *const c_void) -> c_int;
type Error = unsafe extern "C" fn(Handle, c_int) -> *const c_char;

/// The functions of the library, as its header declares them.
struct Library {
    start: Start,
    end: Act,
    authenticate: Act,
    account: Act,
    set_item: SetItem,
    get_item: GetItem,
    error: Error,
}

impl Library {
    fn load() -> Result<Self, String> {
        // SAFETY: the name is a text. The library stays loaded for the rest of this process, as its functions must.
        let library = unsafe { libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            return Err(format!("there is no {}", LIBRARY.to_string_lossy()));
        }
        let find = |name: &CStr| {
            // SAFETY: the library is loaded and the name is a text.
            let found = unsafe { libc::dlsym(library, name.as_ptr()) };
            match found.is_null() {
                true => Err(format!("it has no {}", name.to_string_lossy())),
                false => Ok(found),
            }
        };
        // SAFETY: these are the library's functions of these names, whose types its header has had since its first
        // version.
        unsafe {
            Ok(Self {
                start: std::mem::transmute::<*mut c_void, Start>(find(c"pam_start")?),
                end: std::mem::transmute::<*mut c_void, Act>(find(c"pam_end")?),
                authenticate: std::mem::transmute::<*mut c_void, Act>(find(c"pam_authenticate")?),
                account: std::mem::transmute::<*mut c_void, Act>(find(c"pam_acct_mgmt")?),
                set_item: std::mem::transmute::<*mut c_void, SetItem>(find(c"pam_set_item")?),
                get_item: std::mem::transmute::<*mut c_void, GetItem>(find(c"pam_get_item")?),
                error: std::mem::transmute::<*mut c_void, Error>(find(c"pam_strerror")?),
            })
        }
    }

    /// The user that the modules let through; otherwise their words.
    fn transaction(
        &self,
        service: &CStr,
        user: &CStr,
        terminal: &CStr,
        conversation: &mut Conversation<'_>,
    ) -> Result<String, String> {
        let conv = Conv {
            converse,
            data: std::ptr::from_mut(conversation).cast(),
        };
        let mut handle: Handle = std::ptr::null_mut();
        // SAFETY: texts and the conversation live until the transaction ends below.
        let started = unsafe { (self.start)(service.as_ptr(), user.as_ptr(), &conv, &mut handle) };
        if started != SUCCESS || handle.is_null() {
            return Err("the system's authentication does not start".to_owned());
        }
        // SAFETY: the handle is of a transaction that has begun, items are texts that the library copies, and nothing that
        // belongs to the transaction is used after its end.
        unsafe {
            let items = [(TERMINAL, terminal), (ASKING_USER, user)];
            for (item, value) in items.iter().filter(|(_, value)| !value.is_empty()) {
                (self.set_item)(handle, *item, value.as_ptr().cast());
            }
            let mut said = (self.authenticate)(handle, DISALLOW_EMPTY);
            if said == SUCCESS {
                said = (self.account)(handle, DISALLOW_EMPTY);
            }
            let mut name: *const c_void = std::ptr::null();
            let answer = match said {
                SUCCESS if (self.get_item)(handle, USER, &mut name) == SUCCESS => {
                    Ok(text(name.cast()))
                }
                SUCCESS => Err("the system does not say whom it let through".to_owned()),
                error => Err(text((self.error)(handle, error))),
            };
            (self.end)(handle, said);
            answer
        }
    }
}

/// The library's call for answers.
extern "C" fn converse(
    count: c_int,
    messages: *const *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    if !(1..=MAX_MESSAGES).contains(&count) || messages.is_null() || responses.is_null() {
        return CONVERSATION_ERROR;
    }
    // SAFETY: what was given to `pam_start` by a caller that waits for the transaction's end and uses it for nothing else.
    let conversation = unsafe { &mut *data.cast::<Conversation<'_>>() };
    let mut given = Vec::new();
    for number in 0..count as usize {
        // SAFETY: the library gives `count` pointers to messages, one after another.
        let message = unsafe { &**messages.add(number) };
        let style = match message.style {
            1 => Style::Secret,
            2 => Style::Visible,
            3 => Style::Error,
            4 => Style::Info,
            _ => return CONVERSATION_ERROR,
        };
        let words = text(message.text);
        // A panic must not go through the library.
        let asked = catch_unwind(AssertUnwindSafe(|| (conversation.answers)(style, &words)));
        let answer = match (style, asked) {
            (_, Err(_)) => None,
            (Style::Error | Style::Info, Ok(_)) => {
                given.push(None);
                continue;
            }
            (_, Ok(answer)) => answer,
        };
        // What modules could not take is no right answer either; the empty one never is.
        let short = |answer: String| match answer.len() < MAX_ANSWER_BYTES {
            true => answer,
            false => String::new(),
        };
        let answer = answer.map(short);
        let Some(answer) = answer.and_then(|answer| CString::new(answer).ok()) else {
            conversation.given_up = true;
            return CONVERSATION_ERROR;
        };
        given.push(Some(answer));
    }
    match hand_over(given) {
        Ok(list) => {
            // SAFETY: the library asked for a list at this place and frees it.
            unsafe { *responses = list };
            SUCCESS
        }
        Err(_) => BUFFER_ERROR,
    }
}

/// Answers in memory that the library frees.
fn hand_over(given: Vec<Option<CString>>) -> io::Result<*mut Response> {
    // SAFETY: zeroed memory is a list of responses without texts.
    let list = unsafe { libc::calloc(given.len(), size_of::<Response>()) }.cast::<Response>();
    if list.is_null() {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    for (number, answer) in given.into_iter().enumerate() {
        let Some(answer) = answer else { continue };
        // SAFETY: the list has room for this number, and the text ends with NUL. A copy that fails is no answer.
        unsafe { (*list.add(number)).text = libc::strdup(answer.as_ptr()) };
        // What was copied is not left behind here.
        answer.into_bytes().fill(0);
    }
    Ok(list)
}

fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the library's texts end with NUL and live until its next call.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_string_lossy().into_owned()
}

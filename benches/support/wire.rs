//! A client that costs next to nothing: HTTP/2 frames by hand, as gRPC clients send them, over one connection. It knows
//! what the loads need and no more; whatever it does not expect ends the benchmark.
//!
//! Headers are indexed as clients do: literally once, by their number ever after. Windows are those of the protocol's
//! defaults, and given back when half of them is used.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];

const HEAD_BYTES: usize = 9;

/// What the server may send beyond the protocol's window, in bytes.
const WINDOW_MORE: u32 = 4 << 20;

/// No message of one call is longer, with what stands before it.
const MESSAGE_BYTES_MAX: i64 = 1_024;

/// Half of the protocol's window.
const GIVE_BACK: u32 = 32_767;

/// More than are ever in flight, counted from the oldest; a power of two.
const SLOTS: usize = 1 << 16;

/// No lane.
const FREE: u32 = u32::MAX;

/// One connection.
pub struct Wire {
    socket: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
    /// Of `input`: read, and not looked at.
    from: usize,
    till: usize,
    next_stream: u32,
    /// Which lane a stream belongs to, and what came on it.
    slots: Vec<(u32, Vec<u8>)>,
    /// What was put into the header table, oldest first.
    indexed: Vec<&'static str>,
    window: i64,
    taken: u32,
    /// Calls that are not answered, and how many the server lets be.
    in_flight: u32,
    in_flight_max: u32,
    /// The stream that stays open, if one does, and what was taken of its window.
    open: Option<(u32, u32)>,
}

impl Wire {
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_nodelay(true).unwrap();
        let mut wire = Self {
            socket,
            out: PREFACE.to_vec(),
            input: vec![0; 1 << 18],
            from: 0,
            till: 0,
            next_stream: 1,
            slots: vec![(FREE, Vec::new()); SLOTS],
            indexed: Vec::new(),
            window: 65_535,
            taken: 0,
            in_flight: 0,
            in_flight_max: u32::MAX,
            open: None,
        };
        wire.frame(SETTINGS, 0, 0, &[]);
        // As other clients do: answers that come together never wait for us to give back.
        wire.frame(WINDOW_UPDATE, 0, 0, &WINDOW_MORE.to_be_bytes());
        wire
    }

    /// Whether [`Self::receive`] waits.
    pub fn wait(&self, waits: bool) {
        self.socket.set_nonblocking(!waits).unwrap();
    }

    /// Puts a unary call on its way with the next [`Self::flush`].
    pub fn call(&mut self, lane: u32, path: &'static str, message: &[u8]) {
        let stream = self.head(path);
        let slot = &mut self.slots[stream as usize / 2 % SLOTS];
        assert_eq!(slot.0, FREE, "a call is {SLOTS} calls late");
        slot.0 = lane;
        slot.1.clear();
        self.in_flight += 1;
        self.data(stream, END_STREAM, message);
    }

    /// Whether the server lets one more call be in flight, and takes its message.
    pub fn has_room(&self) -> bool {
        self.in_flight < self.in_flight_max && self.window >= MESSAGE_BYTES_MAX
    }

    /// Opens a call that stays open; messages go by [`Self::say`].
    pub fn open(&mut self, path: &'static str) {
        let stream = self.head(path);
        self.open = Some((stream, 0));
    }

    /// One more message on the open call.
    pub fn say(&mut self, message: &[u8]) {
        let (stream, _) = self.open.expect("a call is open");
        self.data(stream, 0, message);
    }

    pub fn flush(&mut self) {
        let mut sent = 0;
        while sent < self.out.len() {
            match self.socket.write(&self.out[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
        self.out.clear();
    }

    /// Reads once, and tells each call that is answered: its lane, and its message unless it was refused. Messages of an
    /// open call have the lane 0. Answers whether anything came.
    pub fn receive(&mut self, mut answered: impl FnMut(u32, Option<&[u8]>)) -> bool {
        if self.from > 0 {
            self.input.copy_within(self.from..self.till, 0);
            self.till -= self.from;
            self.from = 0;
        }
        let count = match self.socket.read(&mut self.input[self.till..]) {
            Ok(0) => panic!("the server closed the connection"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("{error}"),
        };
        self.till += count;
        while self.till - self.from >= HEAD_BYTES {
            let head = &self.input[self.from..self.from + HEAD_BYTES];
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let end = self.from + HEAD_BYTES + length;
            if self.till < end {
                break;
            }
            let payload = self.from + HEAD_BYTES..end;
            self.from = end;
            self.came(kind, flags, stream, payload, &mut answered);
        }
        if self.taken > GIVE_BACK {
            let taken = std::mem::take(&mut self.taken).to_be_bytes();
            self.frame(WINDOW_UPDATE, 0, 0, &taken);
        }
        if let Some((stream, taken)) = self.open.filter(|(_, taken)| *taken > GIVE_BACK) {
            self.frame(WINDOW_UPDATE, 0, stream, &taken.to_be_bytes());
            self.open = Some((stream, 0));
        }
        true
    }

    fn came(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: std::ops::Range<usize>,
        answered: &mut impl FnMut(u32, Option<&[u8]>),
    ) {
        let slot = stream as usize / 2 % SLOTS;
        let is_open = self.open.is_some_and(|(open, _)| open == stream);
        match kind {
            DATA => {
                let length = payload.len() as u32;
                self.taken += length;
                let held = &mut self.slots[slot].1;
                held.extend_from_slice(&self.input[payload]);
                if let Some((open, taken)) = &mut self.open
                    && *open == stream
                {
                    *taken += length;
                    let mut told = 0;
                    while let Some(message) = message_at(&held[told..]) {
                        answered(0, Some(message));
                        told += 5 + message.len();
                    }
                    held.drain(..told);
                }
            }
            HEADERS if flags & END_STREAM != 0 => {
                assert!(!is_open, "the server ended the call that stays open");
                let (lane, held) = &mut self.slots[slot];
                let lane = std::mem::replace(lane, FREE);
                self.in_flight -= 1;
                answered(lane, message_at(held));
            }
            HEADERS => {}
            SETTINGS if flags & ACK == 0 => {
                for setting in self.input[payload].chunks_exact(6) {
                    if setting[..2] == MAX_CONCURRENT_STREAMS {
                        self.in_flight_max = u32::from_be_bytes(setting[2..].try_into().unwrap());
                    }
                }
                self.frame(SETTINGS, ACK, 0, &[]);
            }
            SETTINGS => {}
            PING if flags & ACK == 0 => {
                let payload = self.input[payload].to_vec();
                self.frame(PING, ACK, 0, &payload);
            }
            WINDOW_UPDATE => {
                let more: [u8; 4] = self.input[payload].try_into().unwrap();
                if stream == 0 {
                    self.window += i64::from(u32::from_be_bytes(more));
                }
            }
            _ => panic!("frame {kind} with flags {flags} on stream {stream}"),
        }
    }

    /// A message in a frame of its own.
    fn data(&mut self, stream: u32, flags: u8, message: &[u8]) {
        let length = message.len() as u32;
        self.window -= i64::from(length) + 5;
        assert!(self.window >= 0, "more is in flight than the window takes");
        self.frame_head(length as usize + 5, DATA, flags, stream);
        self.out.push(0);
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(message);
    }

    /// The head of a call; answers its stream.
    fn head(&mut self, path: &'static str) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let at = self.out.len();
        self.frame_head(0, HEADERS, END_HEADERS, stream);
        // POST, http.
        self.out.extend_from_slice(&[0x83, 0x86]);
        for (name, value) in [
            (4, path),
            (1, "127.0.0.1"),
            (31, "application/grpc"),
            (0, "trailers"),
            (58, "grpc-load/1"),
        ] {
            self.header(name, value);
        }
        let length = (self.out.len() - at - HEAD_BYTES) as u32;
        self.out[at..at + 3].copy_from_slice(&length.to_be_bytes()[1..]);
        stream
    }

    /// One header; names by their number in the protocol's own table, 0 is `te`.
    fn header(&mut self, name: u8, value: &'static str) {
        let found = self.indexed.iter().position(|it| *it == value);
        if let Some(at) = found {
            // The youngest is 62.
            let number = 62 + (self.indexed.len() - 1 - at);
            assert!(number < 127, "the number takes one byte");
            self.out.push(0x80 | number as u8);
            return;
        }
        self.out.push(0x40 | name);
        if name == 0 {
            self.out.extend_from_slice(b"\x02te");
        }
        self.out.push(value.len() as u8);
        self.out.extend_from_slice(value.as_bytes());
        self.indexed.push(value);
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.frame_head(payload.len(), kind, flags, stream);
        self.out.extend_from_slice(payload);
    }

    fn frame_head(&mut self, length: usize, kind: u8, flags: u8, stream: u32) {
        self.out
            .extend_from_slice(&(length as u32).to_be_bytes()[1..]);
        self.out.extend_from_slice(&[kind, flags]);
        self.out.extend_from_slice(&stream.to_be_bytes());
    }
}

/// The first message of what came, if it is whole.
fn message_at(came: &[u8]) -> Option<&[u8]> {
    let length: [u8; 4] = came.get(1..5)?.try_into().ok()?;
    came.get(5..)?.get(..u32::from_be_bytes(length) as usize)
}

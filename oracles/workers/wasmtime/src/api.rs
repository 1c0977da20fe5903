// Wasmtime's C API out of a library of any release from 24.0.0 on: what it is called, and the shapes of its values.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::ptr::null_mut;

pub type Ptr = *mut c_void;

/// An exported item, a value, a function and so on: as large as any release has them.
/// The library writes into it by its address.
#[repr(C, align(8))]
pub struct Cell<const N: usize>(UnsafeCell<[u8; N]>);

/// Each is in the hands of one thread, since this program has no other.
unsafe impl<const N: usize> Send for Cell<N> {}
unsafe impl<const N: usize> Sync for Cell<N> {}

impl<const N: usize> Clone for Cell<N> {
    fn clone(&self) -> Self {
        Cell(UnsafeCell::new(self.bytes()))
    }
}

impl<const N: usize> Cell<N> {
    pub fn new() -> Self {
        Cell(UnsafeCell::new([0; N]))
    }

    pub fn ptr(&self) -> Ptr {
        self.0.get() as Ptr
    }

    pub fn bytes(&self) -> [u8; N] {
        unsafe { *self.0.get() }
    }

    /// The byte that says what kind of thing it is.
    pub fn kind(&self) -> u8 {
        self.bytes()[0]
    }

    /// The part behind that byte and its padding.
    pub fn of(&self) -> Ptr {
        unsafe { (self.0.get() as *mut u8).add(8) as Ptr }
    }
}

/// `wasmtime_extern_t`, which has 24 bytes before release 36.
pub type Item = Cell<32>;
/// `wasmtime_val_t`, which has 24 bytes before release 37.
pub type Value = Cell<32>;
/// What else is handed over by its address: no release has one that is larger.
pub type Part = Cell<24>;

#[repr(C)]
pub struct Vector {
    pub size: usize,
    pub data: Ptr,
}

impl Vector {
    pub fn new() -> Self {
        Vector { size: 0, data: null_mut() }
    }
}

/// The functions of the C API that are called once there is an engine; each has one type in all of these releases.
macro_rules! functions {
    ($($name:ident: fn($($arg:ty),*) $(-> $result:ty)?;)*) => {
        #[allow(non_snake_case)]
        pub struct Api {
            library: Library,
            pub release: u32,
            $(pub $name: unsafe extern "C" fn($($arg),*) $(-> $result)?,)*
        }

        impl Api {
            pub fn load(path: &str, release: u32) -> Result<Api, String> {
                let library = Library::open(path)?;
                Ok(Api { $($name: unsafe { std::mem::transmute(library.needed(stringify!($name))?) },)* library, release })
            }
        }
    };
}

functions! {
    wasm_config_new: fn() -> Ptr;
    wasm_engine_new_with_config: fn(Ptr) -> Ptr;
    wasm_engine_delete: fn(Ptr);
    wasm_byte_vec_delete: fn(*mut Vector);
    wasm_trap_message: fn(Ptr, *mut Vector);
    wasm_trap_delete: fn(Ptr);
    wasm_importtype_vec_delete: fn(*mut Vector);
    wasm_importtype_type: fn(Ptr) -> Ptr;
    wasm_externtype_as_functype: fn(Ptr) -> Ptr;
    wasm_externtype_as_globaltype: fn(Ptr) -> Ptr;
    wasm_externtype_as_tabletype: fn(Ptr) -> Ptr;
    wasmtime_error_message: fn(Ptr, *mut Vector);
    wasmtime_error_delete: fn(Ptr);
    wasmtime_store_new: fn(Ptr, Ptr, Ptr) -> Ptr;
    wasmtime_store_delete: fn(Ptr);
    wasmtime_store_context: fn(Ptr) -> Ptr;
    wasmtime_module_new: fn(Ptr, *const u8, usize, *mut Ptr) -> Ptr;
    wasmtime_module_delete: fn(Ptr);
    wasmtime_module_imports: fn(Ptr, *mut Vector);
    wasmtime_module_serialize: fn(Ptr, *mut Vector) -> Ptr;
    wasmtime_instance_new: fn(Ptr, Ptr, *const u8, usize, Ptr, *mut Ptr) -> Ptr;
    wasmtime_instance_export_get: fn(Ptr, Ptr, *const u8, usize, Ptr) -> bool;
    wasmtime_func_new_unchecked: fn(Ptr, Ptr, HostEntry, Ptr, extern "C" fn(Ptr), Ptr);
    wasmtime_func_call_unchecked: fn(Ptr, Ptr, *mut u128, usize, *mut Ptr) -> Ptr;
    wasmtime_func_to_raw: fn(Ptr, Ptr) -> usize;
    wasmtime_func_from_raw: fn(Ptr, usize, Ptr);
    wasmtime_caller_context: fn(Ptr) -> Ptr;
    wasmtime_trap_new: fn(*const u8, usize) -> Ptr;
    wasmtime_memory_data: fn(Ptr, Ptr) -> *mut u8;
    wasmtime_memory_data_size: fn(Ptr, Ptr) -> usize;
    wasmtime_memory_size: fn(Ptr, Ptr) -> u64;
    wasmtime_sharedmemory_data: fn(Ptr) -> *mut u8;
    wasmtime_sharedmemory_data_size: fn(Ptr) -> usize;
    wasmtime_sharedmemory_size: fn(Ptr) -> u64;
    wasmtime_global_new: fn(Ptr, Ptr, Ptr, Ptr) -> Ptr;
    wasmtime_global_get: fn(Ptr, Ptr, Ptr);
    wasmtime_table_new: fn(Ptr, Ptr, Ptr, Ptr) -> Ptr;
    wasmtime_table_size: fn(Ptr, Ptr) -> u64;
    wasmtime_table_get: fn(Ptr, Ptr, u64, Ptr) -> bool;
    wasmtime_table_set: fn(Ptr, Ptr, u64, Ptr) -> Ptr;
    wasmtime_externref_new: fn(Ptr, usize, Ptr, Ptr) -> bool;
    wasmtime_externref_data: fn(Ptr, Ptr) -> usize;
    wasmtime_externref_from_raw: fn(Ptr, u32, Ptr);
    wasmtime_externref_to_raw: fn(Ptr, Ptr) -> u32;
    wasmtime_anyref_from_raw: fn(Ptr, u32, Ptr);
    wasmtime_anyref_to_raw: fn(Ptr, Ptr) -> u32;
    wasmtime_anyref_from_i31: fn(Ptr, u32, Ptr);
    wasmtime_anyref_i31_get_u: fn(Ptr, Ptr, *mut u32) -> bool;
}

/// Addresses of functions, which never change.
unsafe impl Sync for Api {}

pub type HostEntry = extern "C" fn(env: Ptr, caller: Ptr, slots: *mut u128, count: usize) -> Ptr;

impl Api {
    /// A function that not every release has.
    pub fn other(&self, name: &str) -> Option<usize> {
        self.library.symbol(name)
    }

    /// The bytes between items in an array.
    pub fn stride(&self) -> usize {
        if self.release < 36 { 24 } else { 32 }
    }

    pub fn words(&self, fill: unsafe extern "C" fn(Ptr, *mut Vector), of: Ptr) -> String {
        let mut vector = Vector::new();
        unsafe {
            fill(of, &mut vector);
            let bytes = self.bytes(&mut vector);
            String::from_utf8_lossy(&bytes).trim_end_matches('\0').into()
        }
    }

    /// What is in a byte vector, which is freed.
    pub unsafe fn bytes(&self, vector: &mut Vector) -> Vec<u8> {
        let found = match vector.size {
            0 => vec![],
            size => std::slice::from_raw_parts(vector.data as *const u8, size).to_vec(),
        };
        (self.wasm_byte_vec_delete)(vector);
        found
    }

    /// The message of an error, which is freed; None for none.
    pub fn error(&self, error: Ptr) -> Option<String> {
        (!error.is_null()).then(|| {
            let said = self.words(self.wasmtime_error_message, error);
            unsafe { (self.wasmtime_error_delete)(error) };
            said
        })
    }

    pub fn compile(&self, engine: Ptr, content: &[u8]) -> Result<Ptr, String> {
        let mut module = null_mut();
        let error = unsafe { (self.wasmtime_module_new)(engine, content.as_ptr(), content.len(), &mut module) };
        self.error(error).map_or(Ok(module), Err)
    }
}

struct Library(Ptr);

impl Library {
    fn open(path: &str) -> Result<Library, String> {
        let name = CString::new(path).map_err(|_| "a path with a zero in it")?;
        unsafe {
            let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW);
            if handle.is_null() {
                let said: *const c_char = libc::dlerror();
                return Err(format!("the library cannot be loaded: {}", CStr::from_ptr(said).to_string_lossy()));
            }
            Ok(Library(handle))
        }
    }

    fn symbol(&self, name: &str) -> Option<usize> {
        let name = CString::new(name).ok()?;
        let found = unsafe { libc::dlsym(self.0, name.as_ptr()) } as usize;
        (found != 0).then_some(found)
    }

    fn needed(&self, name: &str) -> Result<usize, String> {
        self.symbol(name).ok_or_else(|| format!("its C API has no {name}: this worker needs 24.0.0 or later"))
    }
}

/// What `work` gives in a forked child, since it may end the process; else the child's last words.
pub fn in_child(work: impl FnOnce() -> Result<Vec<u8>, String>) -> (Vec<u8>, Result<(), String>) {
    in_child_bit_by_bit(|tell| work().map(|found| tell(&found)))
}

/// The same for work that tells what it finds as it goes: that much there is even if it ends the process.
pub fn in_child_bit_by_bit(work: impl FnOnce(&dyn Fn(&[u8])) -> Result<(), String>) -> (Vec<u8>, Result<(), String>) {
    unsafe {
        let mut told = [0; 2];
        let noise = libc::memfd_create(c"noise".as_ptr(), 0);
        assert!(noise >= 0 && libc::pipe(told.as_mut_ptr()) == 0, "no pipe was to be had");
        let pid = libc::fork();
        assert!(pid >= 0, "no process was to be had");
        if pid == 0 {
            libc::dup2(noise, 2);
            let tell = |found: &[u8]| {
                libc::write(told[1], found.as_ptr() as *const c_void, found.len());
            };
            let code = match work(&tell) {
                Ok(()) => 0,
                Err(why) => {
                    libc::write(2, why.as_ptr() as *const c_void, why.len().min(4000));
                    1
                }
            };
            libc::_exit(code);
        }
        libc::close(told[1]);
        let found = drained(told[0]);
        let mut status: c_int = 0;
        libc::waitpid(pid, &mut status, 0);
        libc::lseek(noise, 0, libc::SEEK_SET);
        let said = drained(noise);
        let said = String::from_utf8_lossy(&said).into_owned();
        let told = |line: &&str| !line.trim().is_empty() && !line.starts_with("note:") && !line.starts_with("qemu:");
        let lines: Vec<&str> = said.lines().filter(told).collect();
        match (status, lines.len()) {
            (0, _) => (found, Ok(())),
            (_, 0) => (found, Err(format!("the process died ({status})"))),
            (_, count) => (found, Err(lines[count.saturating_sub(3)..].join(" "))),
        }
    }
}

unsafe fn drained(fd: c_int) -> Vec<u8> {
    let (mut found, mut part) = (vec![], [0u8; 65536]);
    loop {
        let count = libc::read(fd, part.as_mut_ptr() as *mut c_void, part.len());
        if count <= 0 {
            libc::close(fd);
            return found;
        }
        found.extend(&part[..count as usize]);
    }
}

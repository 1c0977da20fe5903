// A toy engine that speaks the frame protocol: go build -o toy toy.go, and fuzz run --engine program@$PWD/toy
// It runs functions that add, subtract and multiply their i32 parameters, and says of all others that it cannot. Put
// your own engine in place of run and find; all else stays as it is (docs/protocol.md).
package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"strings"
)

type object = map[string]any

func number(at *[]byte) uint64 {
	value, size := binary.Uvarint(*at)
	*at = (*at)[size:]
	return value
}

// find gives the body of the function that is exported as name: exports (section 7) stand before code (section 10).
func find(module []byte, name string) []byte {
	for all, index := module[8:], ^uint64(0); len(all) > 0; {
		id, rest := all[0], all[1:]
		size := number(&rest)
		part := rest[:size]
		all = rest[size:]
		for i, count := uint64(0), number(&part); (id == 7 || id == 10) && i < count; i++ {
			length := number(&part)
			item := part[:length]
			part = part[length:]
			if id == 10 && i == index {
				return item
			} else if id == 7 {
				if kind, function := number(&part), number(&part); kind == 0 && string(item) == name {
					index = function
				}
			}
		}
	}
	return nil
}

func run(body []byte, slots []byte) (stack []uint32, known bool) {
	for known = number(&body) == 0; known && body[0] != 0x0b; { // without locals, up to its end
		op, top := number(&body), max(0, len(stack)-2)
		if op == 0x20 {
			stack = append(stack, binary.LittleEndian.Uint32(slots[16*number(&body):]))
		} else if known = op >= 0x6a && op <= 0x6c; known {
			a, b := stack[top], stack[top+1]
			stack = append(stack[:top], [3]uint32{a + b, a - b, a * b}[op-0x6a])
		}
	}
	return stack, known
}

func runCase(header object, blobs [][]byte, progress *os.File) (answer object, body []byte) {
	imports, asked := header["imports"].(object)
	if header["do"] == "hello" {
		return object{"protocol": 1, "name": "toy-go", "features": []string{"multi_value"}, "carries": "i", "exact": true}, nil
	} else if !asked || len(imports["sources"].([]any)) > 0 {
		return object{"inst": []string{"unsupported", "imports, or validation alone"}}, nil
	}
	out := []any{}
	for index, item := range header["calls"].([]any) {
		call := item.([]any) // export, how, kinds of parameters, kinds of results, blob of arguments, ...
		progress.WriteAt([]byte{3, 0, 0, 0, byte(index), byte(index >> 8), 0, 0}, 0)
		stack, known := []uint32{}, strings.Trim(call[2].(string)+call[3].(string), "i") == ""
		if code := find(blobs[0], call[0].(string)); known && code != nil {
			stack, known = run(code, blobs[max(0, int(call[4].(float64)))])
		}
		for _, value := range stack[:len(stack)*map[bool]int{true: 1}[known]] {
			body, _ = binary.Append(body, binary.LittleEndian, [4]uint32{value})
		}
		out = append(out, map[bool][]any{true: {"returned", []string{}}, false: {"unsupported", "its code"}}[known])
	}
	return object{"inst": []any{"returned", []string{}}, "out": out}, body
}

func main() {
	var files [3]*os.File // requests, replies, progress
	for i, word := range os.Args[1:] {
		files[i], _ = os.OpenFile("/proc/self/fd/"+word, [3]int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR}[i], 0)
	}
	var sizes [2]uint32 // of all that follows the first number, and of the header
	for binary.Read(files[0], binary.LittleEndian, &sizes) == nil {
		frame, header, blobs := make([]byte, sizes[0]-4), object{}, [][]byte{}
		io.ReadFull(files[0], frame)
		json.Unmarshal(frame[:sizes[1]], &header)
		frame = frame[sizes[1]:]
		for _, length := range header["blobs"].([]any) {
			blobs, frame = append(blobs, frame[:int(length.(float64))]), frame[int(length.(float64)):]
		}
		answer, body := runCase(header, blobs, files[2])
		text, _ := json.Marshal(answer)
		reply, _ := binary.Append(nil, binary.LittleEndian, [2]uint32{uint32(len(text) + len(body) + 44), uint32(len(text))})
		files[1].Write(append(append(append(reply, text...), body...), make([]byte, 40)...)) // CPU seconds are not told
	}
}

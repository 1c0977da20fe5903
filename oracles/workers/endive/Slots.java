// Values as they travel: 16 bytes each, zero above the value.

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

final class Slots {
    static final int SIZE = 16;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    void add(long low, long high) {
        byte[] slot = new byte[SIZE];
        ByteBuffer.wrap(slot).order(ByteOrder.LITTLE_ENDIAN).putLong(low).putLong(high);
        out.writeBytes(slot);
    }

    void add(byte[] more) {
        out.writeBytes(more);
    }

    void add(Slots more) {
        out.writeBytes(more.bytes());
    }

    byte[] bytes() {
        return out.toByteArray();
    }

    static long low(byte[] slots, int index) {
        return ByteBuffer.wrap(slots).order(ByteOrder.LITTLE_ENDIAN).getLong(SIZE * index);
    }

    static long high(byte[] slots, int index) {
        return ByteBuffer.wrap(slots).order(ByteOrder.LITTLE_ENDIAN).getLong(SIZE * index + 8);
    }

    static boolean number(char kind) {
        return "ilfdv".indexOf(kind) >= 0;
    }

    /** A number's own bits: Endive leaves an i32's sign, or whatever was there, in the upper half. */
    static long narrow(char kind, long word) {
        return kind == 'i' || kind == 'f' ? word & 0xffffffffL : word;
    }
}

package dedupe

// blockMax is how many keys a block has at most. To look through so many takes
// less than a millisecond.
const blockMax = 4096

// order is the keys in the order in which they were first seen, in blocks: what
// an LRU cannot be asked for a piece at a time. It has room for at least as many
// as the window, and then forgets its oldest block.
type order struct {
	blocks [][]Key
	last   int // the block that is being filled
	size   int // keys of a block
	most   int // blocks
}

func newOrder(capacity int) order {
	size := min(capacity, blockMax)
	return order{size: size, most: (capacity+size-1)/size + 1, last: -1}
}

func (o *order) add(k Key) {
	if o.last < 0 || len(o.blocks[o.last]) == o.size {
		o.turn()
	}
	o.blocks[o.last] = append(o.blocks[o.last], k)
}

// turn begins a new block.
func (o *order) turn() {
	if len(o.blocks) < o.most {
		o.blocks = append(o.blocks, make([]Key, 0, o.size))
		o.last = len(o.blocks) - 1
		return
	}
	o.last = (o.last + 1) % o.most
	o.blocks[o.last] = o.blocks[o.last][:0]
}

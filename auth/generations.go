package auth

// generations is a map of bounded size that keeps what is used. It has two generations:
// when the young one is full the old one is dropped and the young one becomes old. Who
// finds a value that is not young puts it again. The owner guards it.
type generations[K comparable, V any] struct {
	maxYoung   int
	young, old map[K]V
}

func newGenerations[K comparable, V any](maxYoung int) generations[K, V] {
	return generations[K, V]{maxYoung: maxYoung, young: make(map[K]V)}
}

func (g *generations[K, V]) get(key K) (value V, isYoung, found bool) {
	if value, found = g.young[key]; found {
		return value, true, true
	}
	value, found = g.old[key]
	return value, false, found
}

func (g *generations[K, V]) put(key K, value V) {
	if len(g.young) >= g.maxYoung {
		g.old, g.young = g.young, make(map[K]V)
	}
	g.young[key] = value
}

func (g *generations[K, V]) deleteFunc(isDeleted func(K, V) bool) {
	for _, generation := range []map[K]V{g.young, g.old} {
		for key, value := range generation {
			if isDeleted(key, value) {
				delete(generation, key)
			}
		}
	}
}
